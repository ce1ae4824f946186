"""What `import marlbench` offers: the command line's work from Python, with frames for answers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from marlbench.commands.check import verdicts
from marlbench.commands.run import Way, names, play_grid, read_request
from marlbench.commands.watch import check_playable, find_run, spec_of
from marlbench.errors import UserError, one_line
from marlbench.host import Catalogue, load_catalogue
from marlbench.overrides import Override
from marlbench.store import runs, tidy
from marlbench.store.folder import COMMAND, TRUST

if TYPE_CHECKING:
    import pandas as pd

    from marlbench.testing import Verdict
    from marlbench.training.trained import TrainedAgent

__all__ = ["Frames", "catalogue", "check", "load", "load_agent", "run"]

RESULTS = "results"


class Frames(NamedTuple):
    """What runs measured and are; every frame says whose run a row is in its first columns.

    `results/README.md` has all columns.
    """

    evaluations: pd.DataFrame
    """A row per evaluation, the curve's and the final one: the mean of every metric."""
    episodes: pd.DataFrame
    """A row per episode of an evaluation: its metrics, its length, its start state."""
    training: pd.DataFrame
    """A row per update, with the metrics of the learner; NaN where another learner has them."""
    runs: pd.DataFrame
    """A row per run: what it ran on, and all its settings."""


def catalogue() -> Catalogue:
    """Give all that is installed, by name: algorithms, suites, presets, and what is broken."""
    return load_catalogue()


def run(  # noqa: PLR0913 - the command's options
    algo: str | Sequence[str],
    suite: str,
    task: str | Sequence[str] = (),
    *,
    seeds: int | None = None,
    seed: int | Sequence[int] = (),
    steps: int | None = None,
    preset: str | Sequence[str] = (),
    set: Mapping[str, Any] | None = None,
    config: str | Path | None = None,
    label: str | None = None,
    results: str | Path = RESULTS,
    workers: int | None = None,
    runs_per_gpu: int | Literal["auto"] = 1,
    executor: str = "local",
    sink: str | Sequence[str] = (),
    shard: str | None = None,
    trust: bool = False,
    study: str | None = None,
) -> Frames:
    """Train algorithms on tasks as `marlbench run` does, and give the frames of these runs.

    The arguments are the command's options: `marlbench run --help`. `set` is a mapping such as
    `{"qmix.gamma": 0.95}`; beside a `study` no `algo` is named. The same call again goes on where
    it stopped, or gives what is there.
    Raises UserError for what cannot be played, RuntimeError if a run failed and KeyboardInterrupt
    if it was interrupted; `load(results)` then gives what the others measured. One that diverged
    is a result: its rows say so under `status`.
    """
    typed = _call(locals())
    request = read_request(
        algo=_listed(algo),
        suite=suite,
        task=_listed(task),
        seeds=seeds,
        seed=[seed] if isinstance(seed, int) else seed,
        steps=steps,
        preset=_listed(preset),
        overrides=[Override(key, value, "set") for key, value in (set or {}).items()],
        config=None if config is None else Path(config),
        label=label,
        shard=shard,
        study=study,
    )
    way = Way(executor, workers, runs_per_gpu, names("sink", _listed(sink)))
    with _told_to_workers({COMMAND: typed} | ({TRUST: "1"} if trust else {})):
        grid, outcome = play_grid(request, folder_of(results), way)
    if outcome.interrupted:
        raise KeyboardInterrupt
    diverged = {each.folder for each in runs(Path(results)) if each.status == "diverged"}
    failures = {at: why for at, why in outcome.failures.items() if at not in diverged}
    for folder, reason in failures.items():
        number = f"{len(failures)} of {len(grid.folders)} runs failed"
        raise RuntimeError(f"{number}, {folder}: {reason}")
    folders = {str(folder) for folder in grid.folders}
    return Frames(*(frame[frame["folder"].isin(folders)] for frame in load(results)))


def folder_of(name: str | Path) -> Path:
    """Give a folder by its name; raises UserError for `""`, as of a variable that is not set."""
    if not str(name).strip():
        raise UserError("results names no folder")
    return Path(name)


def load(folder: str | Path = RESULTS) -> Frames:
    """Give what runs below a results folder measured and are; raises UserError if none is there."""
    place = Path(folder)
    found = runs(place)
    if not found:
        raise UserError(f"there is no run below {place}: give the folder that runs were written to")
    tables = (tidy.evaluations, tidy.episodes, tidy.training, tidy.settings)
    return Frames(*(table(found) for table in tables))


def load_agent(folder: str | Path, seed: int = 0, of: str = "newest") -> TrainedAgent:
    """Give the trained agent of a run, named as `marlbench watch` names it, to play by hand.

    On the CPU, as the `newest` checkpoint has it, or `best` or a point's policy that it keeps (see
    `run.keep_checkpoints`); `seed` decides what the learner draws. Raises UserError where there is
    no such run, policy or simulator.
    """
    place = find_run(str(folder), Path(RESULTS)).absolute()  # an environment may change the folder
    spec, found = spec_of(place), load_catalogue()
    algorithm, suite = found.algorithm(spec.algorithm), check_playable(found, place, of)

    from marlbench.training.replay_segments import Damaged
    from marlbench.training.trained import TrainedAgent, trained
    from marlbench.training.worker import entries_for
    from marlbench.vecenv.single import build_single

    algorithm, suite = entries_for(spec, algorithm, suite)
    env = build_single(suite, spec.task, suite.config(**spec.suite_config))
    try:
        agent, env_steps = trained(place, spec, algorithm, env.spec, of)
    except (
        Damaged,
        ImportError,
        AttributeError,
    ) as error:  # the last two: names have changed since
        env.close()
        why = error if isinstance(error, Damaged) else f"of another version ({one_line(error)})"
        raise UserError(f"{place}: {why}") from error
    return TrainedAgent(spec, env, agent, env_steps, seed)


def check(name: str, task: str | None = None) -> list[Verdict]:
    """Check whether an algorithm or a suite keeps its promises; `task` is for suites.

    Raises UserError for a name that nothing has and a suite whose simulator is missing.
    """
    return verdicts(load_catalogue(), name, task)


def _listed(given: str | Sequence[str]) -> Sequence[str]:
    """Take one name as well as several."""
    return [given] if isinstance(given, str) else given


def _call(arguments: Mapping[str, Any]) -> str:
    """Write a call of `run` down as one would type it."""
    usual = {name: each.default for name, each in signature(run).parameters.items()}
    typed = [f"{name}={value!r}" for name, value in arguments.items() if value != usual[name]]
    return f"marlbench.run({', '.join(typed)})"


@contextmanager
def _told_to_workers(variables: Mapping[str, str]) -> Iterator[None]:
    """Let the runs find these environment variables: the command that they came from."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
