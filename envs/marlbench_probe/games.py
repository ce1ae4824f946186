"""Two games from the literature in which good coordination is hard and the best play is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step, episode_return
from marlbench_probe.arrival import arrival


class TwoStep:
    """QMIX's two-step game [Rashid et al. 2018, arXiv:1803.11485v2, section 5].

    In state 1 the first agent alone chooses: action 0 leads to state 2A, which pays 7 whatever
    is done, action 1 to state 2B, which pays [[0, 1], [1, 8]]. Both agents see which state it is.
    Best return 8 (1, then 1 and 1); safe return 7. A sum of utilities (VDN) settles for 7.
    """

    PAYOFF = ((7.0, 7.0, 7.0, 7.0), (0.0, 1.0, 1.0, 8.0))

    def __init__(self) -> None:
        self.spec = EnvSpec(
            num_agents=2,
            obs_shape=(3,),
            num_actions=2,
            episode_limit=2,
            state_shape=(3,),
            metrics=(episode_return(0.0, 8.0),),
            simulator="probe 1",
        )
        self._room = 0

    def reset(self, seed: int) -> Step:
        """Begin in state 1; the seed decides nothing."""
        self._room = 0
        return self._arrive(first=True)

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Choose the matrix, then play it."""
        if self._room == 0:
            self._room = 1 + int(actions[0])
            return self._arrive()
        paid = self.PAYOFF[self._room - 1][2 * int(actions[0]) + int(actions[1])]
        return self._arrive(paid, last=True)

    def close(self) -> None:
        """Hold nothing."""

    def _arrive(self, reward: float = 0.0, *, first: bool = False, last: bool = False) -> Step:
        room = np.eye(3, dtype=np.float32)[self._room]  # (3,)
        obs = np.tile(room, (2, 1))  # (A, O)
        step = arrival(self.spec, obs, reward, room)
        return replace(step, first=first, last=last, terminal=last)


class Matrix:
    """A one-shot game with a known optimum, by the two agents' actions.

    Payoff [[8, 0, 0], [0, 4, 0], [0, 0, 6]]. Best return 8 (0 and 0), which is also what climbing
    the expected payoff from uniform play leads to; (1, 1) and (2, 2) are where a learner that
    settles too soon is stuck, with 4 or 6.
    """

    PAYOFF: tuple[tuple[float, ...], ...] = ((8.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 6.0))

    def __init__(self) -> None:
        payoffs = [paid for row in self.PAYOFF for paid in row]
        self.spec = EnvSpec(
            num_agents=2,
            obs_shape=(2,),
            num_actions=3,
            episode_limit=1,
            state_shape=(1,),
            metrics=(episode_return(min(payoffs), max(payoffs)),),
            simulator="probe 1",
        )

    def reset(self, seed: int) -> Step:
        """Begin; the seed decides nothing."""
        return replace(self._arrive(), first=True)

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Pay once and end; each agent sees which of the two it is."""
        paid = self.PAYOFF[int(actions[0])][int(actions[1])]
        return replace(self._arrive(paid), last=True, terminal=True)

    def close(self) -> None:
        """Hold nothing."""

    def _arrive(self, reward: float = 0.0) -> Step:
        obs, state = np.eye(2, dtype=np.float32), np.ones(1, np.float32)
        return arrival(self.spec, obs, reward, state)


class Climbing(Matrix):
    """The climbing game [Claus and Boutilier 1998], in which a miss is punished.

    Payoff [[11, -30, 0], [-30, 7, 6], [0, 0, 5]]. Best return 11 (0 and 0), which a miss by one
    agent turns into -30. Learners that climb the expected payoff by themselves settle for 7 (1
    and 1) or 5: reaching 11 takes more than a right implementation.
    """

    PAYOFF = ((11.0, -30.0, 0.0), (-30.0, 7.0, 6.0), (0.0, 0.0, 5.0))
