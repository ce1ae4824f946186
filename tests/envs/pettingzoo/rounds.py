"""A small PettingZoo game of rounds, and the same game with a fault in it, one per class.

`red` and `blue` sit for five rounds and are paid 1 each for every round that they began; `blue`
leaves after its second. So `red` earns 5 and `blue` 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

ROUNDS, LEAVES = 5, 2


class Rounds(ParallelEnv):  # type: ignore[misc]
    """The game without a fault: `red` and `blue` see (round, a draw of the seed)."""

    metadata = {"name": "rounds"}  # noqa: RUF012 - PettingZoo's own convention
    stays = False
    sees: spaces.Space[Any] = spaces.Box(0, 100, (2,), np.float32)
    acts: spaces.Space[Any] = spaces.Discrete(2)

    def __init__(self) -> None:
        self.possible_agents = ["red", "blue"]
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Give what an agent sees."""
        return self.sees

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Give what an agent may do."""
        return self.acts

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin with both."""
        self.draws, self.round = np.random.default_rng(seed), 0
        self.agents = list(self.possible_agents)
        self.lucky = bool(self.draws.random() < 0.5)
        return self.seen(self.agents), {name: {} for name in self.agents}

    def step(self, actions: dict[str, Any]) -> Any:
        """Play a round."""
        self.round, acted = self.round + 1, list(actions)
        self.actions = actions
        over = self.round >= ROUNDS
        terminated = {name: name == "blue" and self.leaving() for name in acted}
        truncated = {name: over and not terminated[name] for name in acted}
        self.agents = [n for n in acted if not terminated[n] and not truncated[n]]
        observations = self.seen(acted)
        infos: Any = {name: {} for name in acted}
        return observations, dict.fromkeys(acted, 1.0), terminated, truncated, infos

    def leaving(self) -> bool:
        """Whether this round is `blue`'s last."""
        return not self.stays and self.round == LEAVES

    def seen(self, names: list[str]) -> dict[str, Any]:
        """Give what these agents see."""
        return {name: self.look() for name in names}

    def look(self) -> Any:
        """Give what one agent sees."""
        return np.array([self.round, self.draws.random()], np.float32)


class Blind(Rounds):
    """Whoever has ended sees nothing any more: not `blue` when it leaves, nobody at the end."""

    def step(self, actions: dict[str, Any]) -> Any:
        """Show the round to those who are left."""
        _, *others = super().step(actions)
        return self.seen(self.agents), *others


class BlindWinners(Rounds):
    """Half of the episodes, by seed, are won in the third round, 5 for each; it is not seen."""

    stays = True

    def step(self, actions: dict[str, Any]) -> Any:
        """Win, if this episode is lucky."""
        observations, rewards, terminated, truncated, infos = super().step(actions)
        won = self.lucky and self.round == 3
        if won:
            self.agents, observations = [], {}
            terminated = dict.fromkeys(terminated, True)
        return observations, {n: 5.0 * won for n in rewards}, terminated, truncated, infos


class Undead(Rounds):
    """Says that `blue` is terminated and keeps it among its agents."""

    def step(self, actions: dict[str, Any]) -> Any:
        """Keep everyone."""
        answer = super().step({name: actions[name] for name in self.agents})
        self.agents = list(self.possible_agents)
        return answer


class Deserters(Rounds):
    """`blue` is gone after its last round, and no flag says so."""

    def step(self, actions: dict[str, Any]) -> Any:
        """Leave without a word."""
        seen, rewards, terminated, *others = super().step(actions)
        return seen, rewards, dict.fromkeys(terminated, False), *others


class SilentEnd(Rounds):
    """The end is an empty list of agents, and no flag says so."""

    stays = True

    def step(self, actions: dict[str, Any]) -> Any:
        """End without a word."""
        seen, rewards, terminated, truncated, infos = super().step(actions)
        return seen, rewards, terminated, dict.fromkeys(truncated, False), infos


class Returning(Rounds):
    """`blue` leaves, and is back one round later."""

    def step(self, actions: dict[str, Any]) -> Any:
        """Come back."""
        answer = super().step(actions)
        if self.round == LEAVES + 1:
            self.agents.append("blue")
        return answer


class Stranger(Rounds):
    """Pays somebody whom it never named."""

    def step(self, actions: dict[str, Any]) -> Any:
        """Pay `bleu`."""
        seen, rewards, *others = super().step(actions)
        return seen, {**rewards, "bleu": 1.0}, *others


class Unseen(Rounds):
    """Forgets to observe `blue`, which lives on."""

    stays = True

    def step(self, actions: dict[str, Any]) -> Any:
        """Show `red` alone."""
        _, *others = super().step(actions)
        return self.seen(["red"]), *others


class Unequal(Rounds):
    """Pays `blue` twice as much."""

    stays = True

    def step(self, actions: dict[str, Any]) -> Any:
        """Pay."""
        seen, rewards, *others = super().step(actions)
        return seen, {**rewards, "blue": 2.0}, *others


class Unpaid(Rounds):
    """Pays with None."""

    def step(self, actions: dict[str, Any]) -> Any:
        """Pay nothing that is a number."""
        seen, rewards, *others = super().step(actions)
        return seen, dict.fromkeys(rewards), *others


class OldStyle(Rounds):
    """Gives four things, as environments did before truncation was told apart."""

    def step(self, actions: dict[str, Any]) -> Any:
        """Leave truncation out."""
        seen, rewards, terminated, _, infos = super().step(actions)
        return seen, rewards, terminated, infos


class Careless(Rounds):
    """Right in substance: no infos, an `__all__` in every dict, flags for those who end alone."""

    def step(self, actions: dict[str, Any]) -> Any:
        """Say as little as possible."""
        seen, rewards, terminated, truncated, _ = super().step(actions)
        ends: Any = [{n: np.bool_(v) for n, v in f.items() if v} for f in (terminated, truncated)]
        return seen, {**rewards, "__all__": 2.0}, ends[0], {**ends[1], "__all__": False}, None


class Short(Rounds):
    """Sees one number where two are promised."""

    def look(self) -> Any:
        """Leave one out."""
        return super().look()[:1]


class Scalar(Rounds):
    """Sees a number that is no array."""

    def look(self) -> Any:
        """Give the round alone."""
        return float(self.round)


class Beyond(Rounds):
    """Sees a number that its space does not have."""

    sees = spaces.Discrete(5, start=1)

    def look(self) -> Any:
        """Give what would be read as the last one."""
        return 0


class Parts(Rounds):
    """Sees a mapping of a board and a place."""

    sees = spaces.Dict({"board": spaces.Box(0, 9, (2, 2), np.float32), "place": spaces.Discrete(3)})

    def look(self) -> Any:
        """Give both parts."""
        return {"board": np.full((2, 2), self.round, np.float32), "place": 1}


class Lacking(Parts):
    """The same, without the place."""

    def look(self) -> Any:
        """Leave a part out."""
        return {"board": super().look()["board"]}


class Masked(Rounds):
    """Sees a mapping of what it calls `obs` and an action mask, by default of the first alone."""

    acts = spaces.Discrete(3)
    mask: Any = (1, 0, 0)
    sees = spaces.Dict({"action_mask": spaces.MultiBinary(3), "obs": Rounds.sees})

    def look(self) -> Any:
        """Give both."""
        return {"action_mask": np.array(self.mask), "obs": super().look()}


class ShortMask(Masked):
    """One entry for three actions."""

    mask = (1,)


class AddedMask(Masked):
    """What is to be added to logits: 0 where an action is allowed."""

    mask = (0.0, -1e9, -1e9)


class EmptyMask(Masked):
    """Nothing is allowed."""

    mask = (0, 0, 0)


class EmptyAtTheEnd(Masked):
    """Nothing is allowed to those who have ended, which is no fault."""

    def step(self, actions: dict[str, Any]) -> Any:
        """Allow nothing at the end."""
        seen, *others = super().step(actions)
        for name in set(seen) - set(self.agents):
            seen[name]["action_mask"] = np.zeros(3, np.int8)
        return seen, *others


class Text(Rounds):
    """Sees words."""

    sees = spaces.Text(5)


class Image(Rounds):
    """Sees an image of bytes, 8 high and 6 wide, channels first; its last channel is the round."""

    sees = spaces.Box(0, 255, (3, 8, 6), np.uint8)
    scale = 1

    def look(self) -> Any:
        """Give the image."""
        image = np.zeros((3, 8, 6), np.int64)
        image[2] = self.round * self.scale
        return image


class BrightImage(Image):
    """The same with numbers that no byte can hold."""

    scale = 100


class Levers(Rounds):
    """Acts by two levers, of two and three places; pays nothing and remembers how they stand."""

    acts = spaces.MultiDiscrete([2, 3], start=[0, 5])


class Switches(Rounds):
    """Acts by two switches."""

    acts = spaces.MultiBinary(2)


class Pairs(Rounds):
    """Acts by a pair of numbers."""

    acts = spaces.Tuple([spaces.Discrete(2, start=1), spaces.Discrete(2)])


class Pushing(Rounds):
    """Each agent says two numbers."""

    acts = spaces.Box(-1, 1, (2,), np.float32)


class Stated(Rounds):
    """Has a state, made of those who are left: at the end there is nobody to make it of."""

    state_space = spaces.Box(0, 100, (2,), np.float32)

    def state(self) -> Any:
        """Give the round and the first agent that is left."""
        return np.array([self.round, self.possible_agents.index(self.agents[0])], np.float32)


class MappedState(Rounds):
    """Has a state that is no vector."""

    state_space = spaces.Dict({"round": spaces.Discrete(9)})

    def state(self) -> Any:
        """Give the round."""
        return {"round": self.round}


class PromisedState(Rounds):
    """Declares a state and does not write it."""

    state_space = spaces.Box(0, 100, (2,), np.float32)


class Limited(Rounds):
    """Knows how long its episodes are at most."""

    stays, max_cycles = True, ROUNDS


class Wrapped:
    """A wrapper that hands on what is asked of it but for its limit."""

    def __init__(self) -> None:
        self.env = Limited()
        self.possible_agents = self.env.possible_agents

    def __getattr__(self, name: str) -> Any:
        if name == "max_cycles" or name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.env, name)


class SetOfAgents(Rounds):
    """Names its agents in a set, whose order differs between processes."""

    def __init__(self) -> None:
        super().__init__()
        self.possible_agents = {"red", "blue"}  # type: ignore[assignment]


class Remembering(Rounds):
    """Pays for every round that it has seen since it was made."""

    rounds = 0

    def step(self, actions: dict[str, Any]) -> Any:
        """Remember."""
        seen, rewards, *others = super().step(actions)
        self.rounds += 1
        return seen, {name: float(self.rounds) for name in rewards}, *others


class Hidden(Rounds):
    """What is seen is decided by the seed, what is paid is not."""

    def step(self, actions: dict[str, Any]) -> Any:
        """Pay at random."""
        seen, rewards, *others = super().step(actions)
        return seen, {name: float(np.random.random()) for name in rewards}, *others


class Drawn(Rounds):
    """Draws a bar that is as long as the rounds, if it is told so when it is made."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        self.render_mode = render_mode

    def render(self) -> Any:
        """Give the picture."""
        assert self.render_mode == "rgb_array"
        picture = np.zeros((2, ROUNDS, 3), np.uint8)
        picture[:, : self.round] = 255
        return picture
