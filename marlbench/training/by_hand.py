"""The process of `marlbench evaluate`: `python -m marlbench.training.by_hand FOLDER ASKED`.

ASKED is an `Asked` as JSON. It ends with an `ExitCode`; where nothing can be evaluated, a line says
why.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.errors import RAISED_BY_PLUGINS, UserError, one_line
from marlbench.exit_codes import ExitCode, leave
from marlbench.store import files, read_spec
from marlbench.store.folder import BY_HAND
from marlbench.training import evaluation
from marlbench.vecenv import synchronous
from marlbench.vecenv.crew import crew_for

if TYPE_CHECKING:
    from marlbench.config import RunSpec
    from marlbench.plugin import Algorithm, EnvSpec, Suite
    from marlbench.vecenv.checks import CheckedVectorEnv
    from marlbench.vecenv.crew import Crew

FITS = (
    *("num_agents", "obs_shape", "obs_dtype", "state_shape"),
    *("actions", "num_actions", "bounds", "noop"),
)
"""What two tasks must have in common for one agent to play both."""


@dataclass(frozen=True)
class Asked:
    """What `marlbench evaluate` was asked for."""

    episodes: int
    seed: int
    """Decides the start states, of every run the same, and with the run's own all else."""
    task: str
    of: str
    """`newest`, `best` or the point of a kept policy."""


def evaluate(folder: Path, asked: Asked) -> Iterator[str]:
    """Play fresh episodes with a run's agent and keep their row; give lines that say how it went.

    Raises UserError where the task does not fit the agent.
    """
    from marlbench.training.trained import trained
    from marlbench.training.worker import from_catalogue, prepare_torch

    spec = read_spec(folder)
    algorithm, suite = from_catalogue(spec)
    prepare_torch(spec.run.model_copy(update={"device": "cpu"}), spec.seed)
    num_envs = min(spec.run.evaluation.num_envs, asked.episodes)
    crew = crew_for(suite, spec.run.env_processes, num_envs)
    env = copies(spec, suite, asked.task, num_envs, crew)
    try:
        home = env.spec if asked.task == spec.task else home_spec(spec, suite)
        require_fit(home, env.spec, spec.task, asked.task)
        agent, env_steps = trained(folder, spec, algorithm, home, asked.of)
        yield (
            f"{spec.label} on {spec.suite}/{asked.task} after {env_steps:,} env steps, "
            f"{asked.episodes} fresh episodes of seed {asked.seed}"
        )
        started = time.monotonic()
        scores = played(agent, env, asked, algorithm, spec.seed)
    finally:
        env.close()
        if crew is not None:
            crew.close()
    wall = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 3),
    }
    facts = {"kind": "by hand", **asdict(asked), "env_steps": env_steps, "num_envs": num_envs}
    files.drop_torn_row(folder / BY_HAND)
    row = facts | scores | {"protocol": spec.run.evaluation.version, "wall": wall}
    files.append_row(folder / BY_HAND, row, sync=True)
    yield from told(row, env.spec)


def copies(
    spec: RunSpec, suite: Suite, task: str, num_envs: int, crew: Crew | None = None
) -> CheckedVectorEnv:
    """Build copies of a task with the run's settings of the suite, in a crew's processes if any."""
    return synchronous.build(suite, task, suite.config(**spec.suite_config), num_envs, crew)


def home_spec(spec: RunSpec, suite: Suite) -> EnvSpec:
    """Give the spec of the task that the agent was trained on: it decides its sizes."""
    env = copies(spec, suite, spec.task, 1)
    env.close()
    return env.spec


def require_fit(home: EnvSpec, other: EnvSpec, trained_on: str, task: str) -> None:
    """Raise UserError for the first thing in which a task does not fit an agent."""
    for name in FITS:
        ours, theirs = getattr(home, name), getattr(other, name)
        if ours != theirs:
            raise UserError(
                f"--task {task} has {name} = {theirs}, the agent was trained on {trained_on} "
                f"with {ours}: it cannot play there"
            )


def played(
    agent: Any, env: CheckedVectorEnv, asked: Asked, algorithm: Algorithm, seed: int
) -> dict[str, Any]:
    """Play greedily and, where the policy is stochastic, sampled: columns as in `eval.jsonl`."""
    occasion = evaluation.Occasion("by hand", asked.seed, asked.episodes)
    row = evaluation.score(evaluation.evaluate(agent, env, occasion, seed), env.spec)
    if algorithm.stochastic:
        sampled = replace(occasion, sampled=True)
        row["sampled"] = evaluation.score(evaluation.evaluate(agent, env, sampled, seed), env.spec)
    return row


def told(row: dict[str, Any], spec: EnvSpec) -> Iterator[str]:
    """Say mean and standard deviation over episodes (divisor n - 1) of every metric."""
    ways = {"greedy": row} | ({"sampled": row["sampled"]} if "sampled" in row else {})
    for way, scores in ways.items():
        for metric in spec.metrics:
            values = np.array(scores["values"][metric.name])
            spread = metric.text(float(values.std(ddof=1))) if len(values) > 1 else "—"
            yield f"  {way:<8} {metric.name:<10} {metric.text(float(values.mean()))} (sd {spread})"
        if scores["crashed"]:
            yield f"  {way:<8} {scores['crashed']} episodes crashed and were played again"


def main(arguments: list[str]) -> int:
    """Evaluate the run that the command line names."""
    if len(arguments) != 2:
        print("usage: python -m marlbench.training.by_hand FOLDER ASKED", file=sys.stderr)
        return ExitCode.USAGE
    folder, asked = Path(arguments[0]).absolute(), Asked(**json.loads(arguments[1]))
    try:
        for line in evaluate(folder, asked):
            print(line, flush=True)
        print(f"kept in {Path(arguments[0]) / BY_HAND}")
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except UserError as error:
        print(f"marlbench: {error}", file=sys.stderr)
        return ExitCode.USAGE
    except RAISED_BY_PLUGINS as error:
        print(f"marlbench: {arguments[0]} cannot be evaluated: {one_line(error)}", file=sys.stderr)
        return ExitCode.FAILED
    return ExitCode.OK


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
