"""One run, from its first step to its last evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from marlbench.store.kept import best
from marlbench.training import evaluation
from marlbench.training.divergence import check_parameters, finite
from marlbench.training.evaluation import Occasion
from marlbench.training.foresight import AT_EVALUATIONS, Draws, fresh_episodes, imagines, judge
from marlbench.training.foresight_picture import foresight_picture
from marlbench.training.interrupt import Abandoned, Interrupted
from marlbench.training.policies import kept_state
from marlbench.training.saved_state import classes_in
from marlbench.vecenv import synchronous
from marlbench.vecenv.checks import SpecViolation
from marlbench.vecenv.seeding import step_rng

if TYPE_CHECKING:
    from marlbench.config import RunSpec
    from marlbench.imagination import ImaginingAgent
    from marlbench.plugin import Agent, DrawingAgent
    from marlbench.store import Journal
    from marlbench.training.checkpoint import Checkpoints
    from marlbench.training.foresight_picture import Draw
    from marlbench.training.interrupt import Stop
    from marlbench.training.policies import Policies
    from marlbench.training.position import Position
    from marlbench.training.progress import Progress
    from marlbench.vecenv.checks import CheckedVectorEnv
    from marlbench.vecenv.crew import Crew


@dataclass
class Run:
    """One attempt at a run: what it is made of, and where it stands."""

    spec: RunSpec
    agent: Agent
    build_agent: Callable[[], Agent]
    """Builds such an agent anew."""
    env: CheckedVectorEnv
    evaluation_env: CheckedVectorEnv
    crew: Crew | None
    """The processes in which the copies of both live; None: this one."""
    copyable: bool
    """Whether a checkpoint can keep the copies of `env`."""
    stochastic: bool
    """Whether evaluations play the policy sampled too (`Algorithm.stochastic`)."""
    draw: Draw
    """Draws observations, seen or imagined."""
    schedule: list[int]
    """Env steps at which the run is evaluated."""
    journal: Journal
    checkpoints: Checkpoints
    policies: Policies
    progress: Progress
    stop: Stop
    position: Position

    def close(self) -> None:
        """Free what the simulators hold."""
        self.env.close()
        self.evaluation_env.close()
        if self.crew is not None:
            self.crew.close()


def train(run: Run) -> None:
    """Play, learn, evaluate and save until the env steps are used up; then evaluate finally."""
    agent, env, now = run.agent, run.env, run.position
    evaluate_if_due(run)
    while now.env_steps < run.spec.run.steps:
        rng = step_rng(run.spec.seed, "training steps", now.vector_steps)
        actions, now.policy_state = agent.act(now.step, now.policy_state, rng, explore=True)
        agent.observe(now.step, actions)
        try:
            now.arrive(env.step(actions, now.seeds.take(now.step.last)))
        finally:
            note_crashes(run)
        if (metrics := agent.update()) is not None:
            log(run, metrics)
        evaluate_if_due(run)
        save_if_due(run)
        run.progress.show(now, "training")
        run.stop.check()
    evaluate_finally(run)


def log(run: Run, metrics: Mapping[str, float]) -> None:
    """Append what an update gave, and the training episodes since the last one."""
    now = run.position
    now.updates += 1
    row = {
        "env_steps": now.env_steps,
        "update": now.updates,
        "metrics": finite(numbers(metrics), now.env_steps),
        "episodes": len(now.returns),
        "return": float(np.mean(now.returns)) if now.returns else None,
        "wall": run.journal.wall(),
    }
    run.journal.append_update(row)
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


def evaluate_if_due(run: Run) -> None:
    """Play the evaluations of the schedule that have been reached."""
    now = run.position
    while now.evaluations < len(run.schedule) and run.schedule[now.evaluations] <= now.env_steps:
        evaluate(run, run.schedule[now.evaluations])


def evaluate(run: Run, point: int) -> None:
    """Play one evaluation, append its row and keep the agent's pictures.

    `point` is its place in the schedule, in env steps; training may have gone a little further.
    """
    now = run.position

    check_parameters(run.agent, run.position.env_steps)
    protocol = run.spec.run.evaluation
    foreseen = {"imagination": judged(run, run.agent, point)} if imagines(run.agent) else {}
    row = played(run, run.agent, Occasion("curve", point, protocol.episodes)) | foreseen
    run.journal.append_evaluation({"kind": "curve", "step": point, **row})
    keep_pictures(run, point)
    headline = run.env.spec.metrics[0]
    score = row["metrics"][headline.name]
    score = score if headline.higher_is_better else -score
    run.policies.consider(run.agent, now, point, score)
    now.evaluations += 1
    tell(run, row)


def evaluate_finally(run: Run) -> None:
    """Play the final evaluation: fresh episodes of the last policy, that no point has played.

    Where asked the best kept policy plays the same episodes. All rows are appended at the end, so
    that a run which is stopped between them plays both again.
    """
    check_parameters(run.agent, run.position.env_steps)
    protocol = run.spec.run.evaluation
    occasion = Occasion("final", 0, protocol.final_episodes)
    rows = [{"kind": "final", "step": run.spec.run.steps, **played(run, run.agent, occasion)}]
    if protocol.final_of_best:
        policy, agent = best(run.position.kept), run.build_agent()
        agent.load(kept_state(run.policies.folder, policy, classes_in(run.agent.state())))
        row = played(run, agent, occasion) | {"env_steps": policy.env_steps}
        rows.append({"kind": "final of best", "step": policy.point, **row})
    for row in rows:
        run.journal.append_evaluation(row)
    tell(run, rows[0])


def tell(run: Run, row: Mapping[str, Any]) -> None:
    """Show what an evaluation came to with the progress."""
    run.progress.scores = {
        metric.name: metric.text(row["metrics"][metric.name]) for metric in run.env.spec.metrics
    }
    run.progress.show(run.position, "training", at_once=True)


def played(run: Run, agent: Agent, occasion: Occasion) -> dict[str, Any]:
    """Play an occasion, by the likeliest actions and, of a stochastic policy, sampled too."""
    now, spec = run.position, run.env.spec

    def between_steps() -> None:
        run.progress.show(now, "evaluating")
        run.stop.check()

    def one(occasion: Occasion) -> dict[str, Any]:
        env, seed = run.evaluation_env, run.spec.seed
        return evaluation.score(
            evaluation.evaluate(agent, env, occasion, seed, between_steps), spec
        )

    row: dict[str, Any] = {"env_steps": now.env_steps, "num_envs": run.evaluation_env.num_envs}
    try:
        with run.progress.evaluating():
            row |= one(occasion)
            if run.stochastic:
                row["sampled"] = one(replace(occasion, sampled=True))
    finally:  # a crash that fails the run is noted, too
        note_crashes(run)
    return row | {"wall": run.journal.wall()}


def judged(run: Run, agent: ImaginingAgent, point: int) -> dict[str, Any]:
    """Judge a model on fresh episodes, the same start states at every point; keep a picture."""
    effort, seed = AT_EVALUATIONS, run.spec.seed

    def between_steps() -> None:
        run.progress.show(run.position, "evaluating")
        run.stop.check()

    try:
        with run.progress.evaluating():
            place = (0, seed)
            episodes = fresh_episodes(agent, run.evaluation_env, place, effort, between_steps)
            piece = episodes.beginning(0, effort.context, effort.horizon)
            picture = foresight_picture(agent, piece, run.draw, next(iter(Draws(seed, 1))))
            row = judge(agent, episodes, run.env.spec, seed, effort)
    finally:  # a crash that fails the run is noted, too
        note_crashes(run)
    if picture is not None:
        run.journal.write_picture("imagined", point, picture)
    return row


def keep_pictures(run: Run, point: int) -> None:
    """Keep the pictures of an agent that has any, under this point of the schedule."""
    if shows_pictures(run.agent):
        for name, picture in run.agent.pictures().items():
            run.journal.write_picture(name, point, picture)


def shows_pictures(agent: Agent) -> TypeGuard[DrawingAgent]:
    """Say whether an agent may be asked for pictures."""
    return hasattr(agent, "pictures")


def between_gradient_steps(run: Run) -> None:
    """Within an update, give a sign of life and heed a request to stop."""
    run.progress.show(run.position, "learning")
    run.stop.check_within_update()


def save_if_due(run: Run) -> None:
    """Take a checkpoint every so many env steps or minutes, and at the end."""
    now, settings = run.position, run.spec.run
    due = now.env_steps - now.saved >= settings.checkpoint_every
    late = run.journal.clock.total() - sum(now.seconds.values()) >= 60 * settings.checkpoint_minutes
    if due or late or now.env_steps >= settings.steps:
        save(run)


def save_and_stop(run: Run, stopped: Interrupted) -> None:
    """Take a checkpoint, but within an update, and say where the run stands."""
    if not isinstance(stopped, Abandoned):
        save(run)
    run.progress.show(run.position, "training", at_once=True)


def save(run: Run) -> None:
    """Take a checkpoint."""
    now = run.position
    now.saved, now.seconds = now.env_steps, run.journal.clock.seconds()
    copies = synchronous.snapshot(run.env) if run.copyable else None
    content = {"agent": run.agent.state(), "position": now, "copies": copies}
    run.checkpoints.save(content, now.env_steps, now.kept)


def note_crashes(run: Run) -> None:
    """Append an event for every crash of a copy since the last step."""
    for env, during in ((run.env, "training"), (run.evaluation_env, "evaluation")):
        for crash in synchronous.take_crashes(env):
            place = {"env_steps": run.position.env_steps, "during": during}
            run.journal.append_event("env_crash", **place, **crash)
