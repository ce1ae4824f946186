"""What tasks are like: their sizes, and how play without learning ends. Not a matter of time.

`python docs/programs/outcomes.py SUITE[/TASK]... [--episodes 1000]`: a row of a suite's page per
task, of all tasks of a suite that is named alone. An outcome is: the mean of each metric of the
suite and its standard error, the mean length, and the share of episodes that came to a real end.
Episodes are those of seeds 0, 1, 2 and so on, as many copies at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from marlbench.host import load_catalogue
from marlbench.metrics import Metric
from marlbench.plugin import EnvSpec, Step, Suite
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.random_play import random_actions
from marlbench.vecenv.statistics import Episode, EpisodeStatistics
from marlbench.vecenv.synchronous import build
from marlbench_skirmish.scripted import charge, focus_fire, nearest_item
from marlbench_skirmish.tasks import GATHERINGS

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


def named(words: list[str]) -> Iterator[tuple[Suite, list[str]]]:
    """Give a suite for each `SUITE/TASK` or `SUITE`, with the task if it is named."""
    catalogue = load_catalogue()
    for word in words:
        name, _, task = word.partition("/")
        yield catalogue.suite(name), [task] if task else []


def sizes(spec: EnvSpec) -> list[str]:
    """Agents, actions, the sizes of an observation and of a state, and the limit."""
    obs, state = (
        " x ".join(map(str, shape or (0,))) for shape in (spec.obs_shape, spec.state_shape)
    )
    return [str(spec.num_agents), str(spec.num_actions), obs, state, str(spec.episode_limit)]


def policies(suite: str, task: str, spec: EnvSpec) -> dict[str, Policy]:
    """The policies without learning that there are for a task."""
    found: dict[str, Policy] = {
        "random": partial(random_actions, spec, rng=np.random.default_rng(0))
    }
    if suite == "skirmish" and task in GATHERINGS:
        found["nearest item"] = nearest_item
    elif suite == "skirmish":
        found |= {"charge": charge, "focus fire": partial(focus_fire, spec=spec)}
    return found


def outcome(env: CheckedVectorEnv, policy: Policy) -> str:
    """Play one episode in every copy."""
    seeds = np.arange(env.num_envs)
    statistics, found = EpisodeStatistics(env.spec, env.num_envs), dict[int, Episode]()
    step, ended = env.reset(seeds), 0
    statistics.add(step)
    while len(found) < env.num_envs:
        step = env.step(policy(step), seeds)
        for episode in statistics.add(step):  # a copy that is done goes on, and is not looked at
            if episode.copy not in found:
                found[episode.copy] = episode
                ended += bool(step.terminal[episode.copy])
    cells = [score(metric, list(found.values())) for metric in env.spec.metrics]
    length = np.mean([episode.length for episode in found.values()])
    return f"{', '.join(cells)}, length {length:.0f}, real ends {ended / env.num_envs:.3f}"


def score(metric: Metric, episodes: list[Episode]) -> str:
    """A metric's mean, and its standard error in brackets."""
    values = metric.scale * np.array([episode.values[metric.name] for episode in episodes])
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{metric.heading} {values.mean():.2f} ({error:.2f})"


if __name__ == "__main__":
    main()
