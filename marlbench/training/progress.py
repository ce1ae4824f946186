"""How fast a run goes, when it will be done and what it takes: `progress.json`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from marlbench.store.clock import Clock
from marlbench.training.evaluation import schedule

if TYPE_CHECKING:
    from marlbench.config import RunConfig
    from marlbench.training.position import Position

Phase = Literal["starting", "training", "learning", "evaluating"]


class Progress:
    """Times training and evaluating apart, and writes the progress at most once a second."""

    def __init__(
        self,
        run: RunConfig,
        write: Callable[[dict[str, Any]], None],
        clock: Clock | None = None,
        told: Mapping[str, Any] | None = None,
        gpu: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        """Begin an attempt of a run, whose clock is its journal's.

        `told` is told on with the progress: what was planned for its memory, how long it may be
        silent. `gpu` says what the run takes of its GPU, worth telling once it has learnt.
        """
        self.scores: dict[str, str] = {}
        """Of the last evaluation, as they are shown, the headline first."""
        self._told = told or {}
        self._gpu = gpu
        self._run = run
        final = run.evaluation.final_episodes / run.evaluation.episodes
        final *= 1 + run.evaluation.final_of_best
        self._evaluations = len(schedule(run)) + final
        self._write = write
        self._clock = clock or Clock()
        self._written = 0.0
        self._evaluation_times: deque[float] = deque(maxlen=3)
        """Seconds of the newest evaluations: later policies play longer episodes, or shorter."""
        self._stamps: deque[tuple[float, int]] = deque(maxlen=120)

    def elapsed(self) -> float:
        """Give the seconds spent on the run, earlier attempts included up to their checkpoint."""
        return self._clock.total()

    def updated(self, env_steps: int) -> None:
        """Note an update: rates are of learning alone, not of what is played before it begins."""
        clock = self._training_clock()
        if not self._stamps or clock - self._stamps[-1][0] >= 1.0:
            self._stamps.append((clock, env_steps))

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Time an evaluation."""
        before = self._clock.seconds()["evaluation"]
        with self._clock.during("evaluation"):
            yield
        self._evaluation_times.append(self._clock.seconds()["evaluation"] - before)

    def show(self, now: Position, phase: Phase, at_once: bool = False) -> None:
        """Write `progress.json`, unless that was done less than a second ago."""
        if at_once or time.monotonic() - self._written >= 1.0:
            self._write(self._document(now, phase))
            self._written = time.monotonic()

    def _document(self, now: Position, phase: Phase) -> dict[str, Any]:
        rate = self._rate(now.env_steps)
        return {
            "env_steps": now.env_steps,
            "steps": self._run.steps,
            "updates": now.updates,
            "phase": phase,
            "elapsed_s": round(self.elapsed(), 1),
            "startup_s": round(self._clock.seconds()["startup"], 1),
            "steps_per_s": None if rate is None else round(rate, 2),
            "eta_s": None if rate is None else round(self._eta(now, rate), 1),
            "scores": self.scores,
            **self._told,
            **({} if rate is None else self._gpu()),
        }

    def _rate(self, env_steps: int) -> float | None:
        """Give recent env steps per second of training; None until updates were timed.

        None too as long as the updates that were timed are all of one env step.
        """
        if len(self._stamps) < 2 or env_steps <= self._stamps[0][1]:
            return None
        clock, steps = self._stamps[0]
        return (env_steps - steps) / (self._training_clock() - clock)

    def _eta(self, now: Position, rate: float) -> float:
        """Give the seconds left: env steps at the recent rate, and the evaluations ahead."""
        evaluations = self._evaluations - now.evaluations
        times = self._evaluation_times
        one = sum(times) / len(times) if times else 0.0
        return max(0, self._run.steps - now.env_steps) / rate + evaluations * one

    def _training_clock(self) -> float:
        return self._clock.seconds()["training"]
