"""What tasks are like: their sizes, and how play without learning ends. Not a matter of time.

`python benchmarks/outcomes.py SUITE[/TASK]... [--episodes 1000]`: a row of a suite's page per task,
of all tasks of a suite that is named alone. An outcome is: share of episodes won (where a task
knows no win: that came to a real end) / mean return (its standard error) / mean length. Episodes
are those of seeds 0, 1, 2 and so on, as many copies at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.synchronous import build
from marlbench_skirmish.scripted import charge, focus_fire, nearest_item, uniform
from marlbench_skirmish.tasks import GATHERINGS
from naming import named

Policy = Callable[[Step], NDArray[np.int64]]


def main() -> None:
    """Print a row for each task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="+", help="SUITE or SUITE/TASK")
    parser.add_argument("--episodes", type=int, default=1000)
    options = parser.parse_args()
    for suite, tasks in named(options.tasks):
        for task in tasks or suite.tasks:
            env = build(suite, task, suite.config(), options.episodes)
            cells = [f"`{task}`", *sizes(env.spec)]
            for name, policy in policies(suite.name, task, env.spec).items():
                cells.append(f"{name}: {outcome(env, policy)}")
            env.close()
            print(f"| {' | '.join(cells)} |", flush=True)


def sizes(spec: EnvSpec) -> list[str]:
    """Agents, actions, the sizes of an observation and of a state, and the limit."""
    obs, state = (
        " x ".join(map(str, shape or (0,))) for shape in (spec.obs_shape, spec.state_shape)
    )
    return [str(spec.num_agents), str(spec.num_actions), obs, state, str(spec.episode_limit)]


def policies(suite: str, task: str, spec: EnvSpec) -> dict[str, Policy]:
    """The policies without learning that there are for a task."""
    found: dict[str, Policy] = {"random": partial(uniform, rng=np.random.default_rng(0))}
    if suite == "skirmish" and task in GATHERINGS:
        found["nearest item"] = nearest_item
    elif suite == "skirmish":
        found |= {"charge": charge, "focus fire": partial(focus_fire, spec=spec)}
    return found


def outcome(env: CheckedVectorEnv, policy: Policy) -> str:
    """Play one episode in every copy."""
    seeds = np.arange(env.num_envs)
    step = env.reset(seeds)
    over, won = step.last, np.zeros(env.num_envs, np.bool_)
    total, length = np.zeros(env.num_envs), np.zeros(env.num_envs)
    while not over.all():
        step = env.step(policy(step), seeds)
        team = env.spec.reward == "team"
        total += np.where(over, 0, step.reward[:, 0] if team else step.reward.sum(1))
        length += ~over
        won |= step.info.get("won", step.terminal) & ~over
        over = over | step.last
    error = total.std(ddof=1) / np.sqrt(len(total))
    return f"{won.mean():.3f} / {total.mean():.2f} ({error:.2f}) / {length.mean():.0f}"


if __name__ == "__main__":
    main()
