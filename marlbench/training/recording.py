"""Episodes as they were played, and the pieces of them that a world model is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.plugin import Step
from marlbench.training import evaluation
from marlbench.vecenv.checks import within_bounds
from marlbench.vecenv.statistics import crashed
from marlbench.vecenv.synchronous import stack, unstack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.plugin import Agent, VectorEnv

__all__ = ["Episodes", "Pieces", "record"]


@dataclass(frozen=True)
class Episodes:
    """M whole episodes, one behind the other: N rows, each a step and the actions taken at it."""

    steps: Step
    """(N, ...)."""
    actions: NDArray[Any]
    """(N, A, *); on a `last` step they mean nothing."""
    begins: NDArray[np.int64]
    """(M,) row of each episode's first step."""
    ends: NDArray[np.int64]
    """(M,) row of its last step."""

    def pieces(self, context: int, horizon: int, at_most: int) -> Pieces:
        """Give pieces of `context` seen and `horizon` later steps, spread evenly over all places.

        A piece may begin wherever at least one step follows on those that are seen; what stands
        behind an episode's end repeats it and does not count.
        """
        spans = zip(self.begins, self.ends, strict=True)
        places = np.concatenate([np.arange(begin, end - context + 1) for begin, end in spans])
        chosen = np.unique(np.linspace(0, len(places) - 1, min(at_most, len(places))).round())
        return self.cut(places[chosen.astype(np.int64)], context, horizon)

    def beginning(self, episode: int, context: int, horizon: int) -> Pieces:
        """Give the piece (B = 1) with which an episode begins; a short one shows fewer steps."""
        begin, end = int(self.begins[episode]), int(self.ends[episode])
        return self.cut(np.array([begin]), min(context, end - begin), horizon)

    def cut(self, firsts: NDArray[np.int64], context: int, horizon: int) -> Pieces:
        """Give the pieces that begin on rows `firsts` (B,)."""
        ends = self.ends[np.searchsorted(self.ends, firsts)]  # (B,)
        rows = firsts + np.arange(context + horizon)[:, None]  # (C + H, B)
        there = rows <= ends
        rows = np.minimum(rows, ends)
        seen, came = _taken(self.steps, rows[:context]), _taken(self.steps, rows[context:])
        first = np.zeros_like(there[:context])
        first[:1] = True
        before = self.steps.alive[rows[context - 1 : -1]]  # (H, B, A)
        return Pieces(
            seen=replace(seen, first=first),
            actions=self.actions[rows[:-1]],
            came=came,
            there=there[context:],
            acted=before & there[context:, :, None],
        )


@dataclass(frozen=True)
class Pieces:
    """B pieces of episodes, time first: what a learner is shown, and what then came."""

    seen: Step
    """(C, B, ...)."""
    actions: NDArray[Any]
    """(C + H - 1, B, A, *)."""
    came: Step
    """(H, B, ...)."""
    there: NDArray[np.bool_]
    """(H, B): the step is of the episode."""
    acted: NDArray[np.bool_]
    """(H, B, A): the agent was alive at the step before, and had a say in this one."""

    @property
    def horizon(self) -> int:
        """H."""
        return len(self.there)

    @property
    def number(self) -> int:
        """B."""
        return self.there.shape[1]

    def one_ahead(self) -> Pieces:
        """Give the same pieces with one later step each."""
        came, actions = (
            _each(self.came, lambda field: field[:1]),
            self.actions[: len(self.seen.first)],
        )
        return Pieces(self.seen, actions, came, self.there[:1], self.acted[:1])


def record(
    agent: Agent,
    env: VectorEnv,
    occasion: evaluation.Occasion,
    seed: int,
    between_steps: Callable[[], None] = lambda: None,
) -> Episodes:
    """Play an occasion's episodes in a run of this seed and keep them, but for crashed ones."""
    quota = evaluation.Quota(occasion, env.num_envs)
    tapes = [_Tape() for _ in range(env.num_envs)]
    for step, actions in evaluation.play(agent, env, quota, seed):
        played = within_bounds(actions, env.spec)
        rows = zip(unstack(step), played, crashed(step), strict=True)
        for tape, row in zip(tapes, rows, strict=True):
            tape.add(*row)
        between_steps()
    shares = zip(tapes, quota.share, strict=True)
    return _joined([episode for tape, share in shares for episode in tape.episodes[:share]])


Rows = list[tuple[Step, "NDArray[Any]"]]


@dataclass
class _Tape:
    """What one copy plays."""

    episodes: list[Rows] = field(default_factory=list)
    running: Rows = field(default_factory=list)

    def add(self, step: Step, actions: NDArray[Any], crashed: bool) -> None:
        if step.first:
            self.running = []
        self.running.append((_kept(step), actions.copy()))
        if step.last and not crashed:
            self.episodes.append(self.running)


def _kept(step: Step) -> Step:
    """Give a step that stays as it is when the environment goes on."""
    return _each(step, np.array)


def _joined(played: list[Rows]) -> Episodes:
    """Give episodes one behind the other."""
    ends = np.cumsum([len(rows) for rows in played]) - 1
    begins = np.append(0, ends[:-1] + 1)
    steps = stack([step for rows in played for step, _ in rows])
    actions = np.stack([actions for rows in played for _, actions in rows])
    return Episodes(steps, actions, begins, ends)


def _taken(steps: Step, rows: NDArray[np.int64]) -> Step:
    """Give these rows (T, B) of steps (N, ...): (T, B, ...)."""
    return _each(steps, lambda field: field[rows])


def _each(step: Step, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Step:
    """Give a step with every field changed, and no info."""
    return Step(
        obs=change(step.obs),
        avail=change(step.avail),
        alive=change(step.alive),
        reward=change(step.reward),
        first=change(step.first),
        last=change(step.last),
        terminal=change(step.terminal),
        state=None if step.state is None else change(step.state),
    )
