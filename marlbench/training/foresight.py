"""How well a world model foresees: what a learner imagines on fresh episodes, and its scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from marlbench.imagination import Imagination
from marlbench.training import foresight_scores as scores
from marlbench.training.evaluation import Occasion
from marlbench.training.recording import record
from marlbench.vecenv.checks import SpecViolation
from marlbench.vecenv.random_play import random_actions
from marlbench.vecenv.seeding import step_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.imagination import ImaginingAgent
    from marlbench.plugin import Agent, EnvSpec, VectorEnv
    from marlbench.training.recording import Episodes, Pieces

__all__ = ["AT_EVALUATIONS", "Draws", "Effort", "fresh_episodes", "imagines", "judge"]


@dataclass(frozen=True)
class Effort:
    """How much is played and imagined to judge a model."""

    episodes: int
    """Fresh ones, played as in training."""
    context: int
    """Steps that the learner sees of a piece."""
    horizon: int
    """Steps that it imagines."""
    pieces: int
    """Of all episodes together, at most."""
    draws: int
    """Times that every piece is imagined; what is scored is their mean."""


AT_EVALUATIONS = Effort(episodes=8, context=6, horizon=24, pieces=64, draws=4)


@dataclass(frozen=True)
class Draws:
    """The randomness of repeated imagination in a run of this seed."""

    seed: int
    number: int

    def __iter__(self) -> Iterator[np.random.Generator]:
        """Give a generator per draw, every time the same ones."""
        return (step_rng(self.seed, "imagination", draw) for draw in range(self.number))

    def choices(self) -> np.random.Generator:
        """Give the generator of what the host itself chooses."""
        return step_rng(self.seed, "imagination", self.number)


def imagines(agent: Agent) -> TypeGuard[ImaginingAgent]:
    """Say whether an agent can be asked to imagine."""
    return hasattr(agent, "imagine")


def fresh_episodes(
    agent: Agent,
    env: VectorEnv,
    place: tuple[int, int],
    effort: Effort,
    between_steps: Callable[[], None] = lambda: None,
) -> Episodes:
    """Play episodes to judge a model on, as in training, which is where it is used.

    `place` are a seed that decides their start states, and that of the run.
    """
    starts, seed = place
    occasion = Occasion("imagined", starts, effort.episodes, sampled=True)
    return record(agent, env, occasion, seed, between_steps)


def judge(
    agent: ImaginingAgent, episodes: Episodes, spec: EnvSpec, seed: int, effort: Effort
) -> dict[str, Any]:
    """Give the scores of a model, as a row of `eval.jsonl` has them under `imagination`.

    What the model does not tell is not there; a number that nothing was there for is NaN.
    """
    context = min(effort.context, int((episodes.ends - episodes.begins).max()))
    pieces, draws = episodes.pieces(context, effort.horizon, effort.pieces), effort.draws
    imagined = mean_imagination(agent, pieces, spec, Draws(seed, draws))
    bands = scores.bands(effort.horizon)
    return {
        "context": context,
        "horizon": effort.horizon,
        "episodes": len(episodes.begins),
        "pieces": pieces.number,
        "draws": draws,
        "kl": scores.surprise(imagined, pieces),
        "observation": scores.observation_errors(imagined, pieces, scores.mean_obs(episodes), spec),
        "ahead": [scores.ahead(imagined, pieces, *band) for band in bands],
        "coherence": coherence(agent, pieces, spec, Draws(seed, draws)),
    }


def mean_imagination(
    agent: ImaginingAgent, pieces: Pieces, spec: EnvSpec, draws: Draws
) -> Imagination:
    """Give the mean of so many draws: what is best to say where errors are squared."""
    total: dict[str, Any] = {}
    for rng in draws:
        one = agent.imagine(pieces.seen, pieces.actions, rng)
        require_shapes(one, pieces, spec)
        for name, value in vars(one).items():
            part = None if value is None else np.asarray(value, np.float32) / draws.number
            total[name] = part if total.get(name) is None else total[name] + part
    return Imagination(**total)


def require_shapes(imagined: Imagination, pieces: Pieces, spec: EnvSpec) -> None:
    """Raise `SpecViolation` naming the first field that is not as the contract says."""
    steps, agents = (pieces.horizon, pieces.number), spec.num_agents
    shapes: dict[str, tuple[int, ...]] = {
        "obs": (*steps, agents, *spec.obs_shape),
        "reward": (*steps, agents),
        "cont": steps,
        "avail": (*steps, agents, spec.num_actions),
        "kl": (pieces.number, agents),
    }
    for name, shape in shapes.items():
        value = getattr(imagined, name)
        if value is not None and np.shape(value) != shape:
            raise SpecViolation(f"imagine() gave {name} of shape {np.shape(value)}, not {shape}")


def coherence(
    agent: ImaginingAgent, pieces: Pieces, spec: EnvSpec, draws: Draws
) -> dict[str, float] | None:
    """Does what one agent does at a step appear in what the others then see, as imagined?

    In every piece one agent is given another action at the last seen step. `error` is that of the
    other agents' next observation with its true action, `error_otherwise` with the other one,
    `influence` the mean square by which the two imaginations differ. `score` is the correlation
    of that difference with what both imaginations miss of what came: 1 where just what the action
    changes is all that they miss, around 0 where the two have nothing to do with each other, and
    0 where nothing changes, as where agents are foreseen each by itself. None where there is no
    other agent to see it.
    """
    one = pieces.one_ahead()
    actions, doer = other_actions(one, spec, draws.choices())
    there = one.came.alive[0] & one.there[0, :, None]  # (B, A)
    counts = there & (doer >= 0)[:, None] & (np.arange(spec.num_agents) != doer[:, None])
    if not counts.any():
        return None
    true, otherwise = (
        mean_imagination(agent, replace(one, actions=each), spec, draws).obs
        for each in (one.actions, actions)
    )
    if true is None or otherwise is None:
        return None

    def mean(x: NDArray[Any], y: NDArray[Any]) -> float:
        return float(scores.squared_errors(x, y, spec)[counts].mean())

    came = one.came.obs[0].astype(np.float32)
    error, otherwise_error = mean(true[0], came), mean(otherwise[0], came)
    influence, missed = mean(true[0], otherwise[0]), mean(true[0] + otherwise[0], 2 * came)
    alike = np.sqrt(influence * missed)
    return {
        "score": float((otherwise_error - error) / alike) if alike else 0.0,
        "error": error,
        "error_otherwise": otherwise_error,
        "influence": influence,
    }


def other_actions(
    pieces: Pieces, spec: EnvSpec, rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Give actions (C, B, A, *) of which one agent's last is another, and who it is.

    It is another available one, or other numbers. Agents (B,) are drawn among those that have
    another one; -1 where nobody has.
    """
    taken, avail = pieces.actions[-1], pieces.seen.avail[-1].copy()  # (B, A, *), (B, A, U)
    if spec.actions == "discrete":
        np.put_along_axis(avail, taken[..., None], False, -1)
    free = avail.any(-1)  # (B, A)
    doer = np.where(free, rng.random(free.shape), -1).argmax(-1)  # (B,)
    row = np.arange(len(doer))
    step = replace(pieces.seen, avail=avail)
    choice = random_actions(spec, step, rng)[row, doer]  # (B, *)
    actions = pieces.actions.copy()
    some = free.any(-1)
    actions[-1, row[some], doer[some]] = choice[some]
    return actions, np.where(some, doer, -1)
