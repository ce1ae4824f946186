"""One run, from its first step to its last evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from marlbench.run import evaluation
from marlbench.vecenv import synchronous
from marlbench.vecenv.checks import SpecViolation
from marlbench.vecenv.seeding import TrainingSeeds, step_rng
from marlbench.vecenv.statistics import EpisodeStatistics, crashed

if TYPE_CHECKING:
    from marlbench.config import RunSpec
    from marlbench.plugin import Agent, DrawingAgent, Step
    from marlbench.run.interrupt import Stop
    from marlbench.run.progress import Progress
    from marlbench.store import Journal
    from marlbench.vecenv.checks import CheckedVectorEnv


@dataclass
class Training:
    """Where training stands; a checkpoint is this, the agent's state and the copies."""

    step: Step
    """What the agent has not seen yet."""
    policy_state: Any
    """What acting carries from step to step."""
    seeds: TrainingSeeds
    statistics: EpisodeStatistics
    vector_steps: int = 0
    """Steps of all copies together, ends of episodes too: the place of their randomness."""
    env_steps: int = 0
    """Real transitions, all copies together."""
    updates: int = 0
    evaluations: int = 0
    """Points of the evaluation grid that are done."""
    returns: list[float] = field(default_factory=list)
    """Of the training episodes that ended since the last row of `train.jsonl`."""
    saved: int = 0
    """Env steps at the last checkpoint."""
    seconds: float = 0.0
    """Spent on the run, for `progress.json` alone."""

    def arrive(self, step: Step) -> None:
        """Go on to the step that the copies answered."""
        self.vector_steps += 1
        self.env_steps += int(np.sum(~self.step.last & ~crashed(step)))
        self.returns += [e.total for e in self.statistics.add(step) if not e.crashed]
        self.step = step


@dataclass
class Run:
    """What a run is made of."""

    spec: RunSpec
    agent: Agent
    env: CheckedVectorEnv
    evaluation_env: CheckedVectorEnv
    journal: Journal
    progress: Progress
    stop: Stop
    save: Callable[[Training], None]
    """Takes a checkpoint."""
    grid: list[int] = field(init=False)
    """Env steps at which the run is evaluated."""

    def __post_init__(self) -> None:
        """Lay out the evaluations."""
        self.grid = evaluation.grid(self.spec.run)


def train(run: Run, now: Training) -> None:
    """Play, learn, evaluate and save until the env steps are used up."""
    agent, env, steps = run.agent, run.env, run.spec.run.steps
    evaluate_if_due(run, now)
    while now.env_steps < steps:
        rng = step_rng(run.spec.seed, "training steps", now.vector_steps)
        actions, now.policy_state = agent.act(
            now.step, now.policy_state, rng, explore=True
        )  # (E, A)
        agent.observe(now.step, actions)
        now.arrive(env.step(actions, now.seeds.take(now.step.last)))
        if (metrics := agent.update()) is not None:
            log(run, now, metrics)
        evaluate_if_due(run, now)
        save_if_due(run, now)
        look_around(run, now)


def log(run: Run, now: Training, metrics: dict[str, float]) -> None:
    """Append what an update gave, and the training episodes since the last one."""
    now.updates += 1
    row = {
        "env_steps": now.env_steps,
        "update": now.updates,
        "metrics": numbers(metrics),
        "episodes": len(now.returns),
        "return": float(np.mean(now.returns)) if now.returns else None,
        "wall": run.journal.wall(),
    }
    run.journal.trained(row)
    now.returns = []
    run.progress.updated(now.env_steps)


def numbers(metrics: Any) -> dict[str, float]:
    """Give what an update gave as floats, though they be numpy's or torch's own.

    Raises `SpecViolation` naming the first that is no number.
    """
    if not isinstance(metrics, Mapping):
        raise SpecViolation(f"update() gave {spelt(metrics)}, neither None nor numbers by name")
    return {str(name): number(name, value) for name, value in metrics.items()}


def number(name: Any, value: Any) -> float:
    """Give one metric as a float; `SpecViolation` for text, an array, or what else is none."""
    if not isinstance(value, str | bytes) and not getattr(value, "ndim", 0):
        with suppress(TypeError, ValueError, OverflowError):
            return float(value)
    raise SpecViolation(f"update() gave {name} = {spelt(value)}, not a number")


def spelt(value: Any) -> str:
    """Spell a value, an array too, in one line."""
    return " ".join(repr(value).split())


def evaluate_if_due(run: Run, now: Training) -> None:
    """Play the evaluations whose point of the grid has been reached."""
    while now.evaluations < len(run.grid) and run.grid[now.evaluations] <= now.env_steps:
        evaluate(run, now, run.grid[now.evaluations])


def evaluate(run: Run, now: Training, point: int) -> None:
    """Play one evaluation, append its row and keep what the agent draws."""

    def between_steps() -> None:
        run.progress.show(now, "evaluating")
        run.stop.check()

    with run.progress.evaluating():
        episodes, crashes = evaluation.evaluate(
            run.agent,
            run.evaluation_env,
            run.spec.run.evaluation,
            partial(step_rng, run.spec.seed, "evaluation steps", point),
            between_steps,
        )
    row = evaluation.score(episodes, run.env.spec)
    place = {"step": point, "env_steps": now.env_steps, "crashed": crashes}
    run.journal.evaluated(place | row | {"wall": run.journal.wall()})
    keep_pictures(run, point)
    now.evaluations += 1
    run.progress.scores = {"return": row["return"], "win": row["win"]}
    run.progress.show(now, "training", at_once=True)


def keep_pictures(run: Run, point: int) -> None:
    """Keep the pictures of an agent that draws, under this point of the evaluation grid."""
    if draws(run.agent):
        for name, picture in run.agent.pictures().items():
            run.journal.pictured(name, point, picture)


def draws(agent: Agent) -> TypeGuard[DrawingAgent]:
    """Say whether an agent may be asked for pictures."""
    return hasattr(agent, "pictures")


def save_if_due(run: Run, now: Training) -> None:
    """Take a checkpoint every so many env steps, and at the end."""
    if (
        now.env_steps - now.saved >= run.spec.run.checkpoint_every
        or now.env_steps >= run.spec.run.steps
    ):
        run.save(now)


def look_around(run: Run, now: Training) -> None:
    """Note crashes, show the progress, and stop if that was asked for."""
    for env, during in ((run.env, "training"), (run.evaluation_env, "evaluation")):
        for crash in synchronous.drain_crashes(env):
            run.journal.event("env_crash", env_steps=now.env_steps, during=during, **crash)
    run.progress.show(now, "training")
    run.stop.check()
