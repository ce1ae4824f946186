"""What is to be played: algorithms x tasks x seeds, every run resolved before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from marlbench import labels
from marlbench.config import RunConfig, RunSpec
from marlbench.errors import UserError
from marlbench.grid.players import cast
from marlbench.grid.shards import Shard, dealt
from marlbench.host import Catalogue, check_task, require_actions
from marlbench.overrides import Override, Sections
from marlbench.plugin import Algorithm, Config, Preset, Suite
from marlbench.settings import (
    Resolved,
    defaults_of,
    host_by_presets,
    learner_by_presets,
    resolve,
    suite_changes,
    variant,
)
from marlbench.studies import Study

__all__ = ["Plan", "Request", "make_plan"]

PAPER = "paper"
ALL = "all"
MOST_RUNS = 20_000
"""Runs of one grid: more is a slip of the keyboard, and takes minutes to plan."""
LARGEST_SEED = 2**62
"""Seeds are numbers that arrays of 64 bits hold."""


@dataclass(frozen=True)
class Request:
    """What the user asks for, by names."""

    algorithms: Sequence[str]
    """At least one, or none and a study."""
    suite: str
    """A suite's name."""
    tasks: Sequence[str] = ()
    """Task names; `all` for every task; none: the presets decide."""
    seeds: Sequence[int] | None = None
    """None: the presets decide."""
    presets: Sequence[str] = (PAPER,)
    """Left to right."""
    overrides: Sequence[Override] = ()
    """What the user sets, by file and by hand; the last one wins."""
    label: str | None = None
    """What to call the variants in place of spelling what differs: `wide` for `qmix-wide`."""
    shard: Shard | None = None
    """The part of the grid that is to be played here; None: all of it."""
    study: str | None = None
    """A study, whose variants are played in place of algorithms."""


@dataclass(frozen=True)
class Plan:
    """Every run of a grid, in the order in which they start."""

    suite: Suite
    algorithms: tuple[Algorithm, ...]
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    presets: tuple[str, ...]
    run: RunConfig
    """The host's settings, the same for all runs."""
    specs: tuple[RunSpec, ...]
    """First seeds first, so that every algorithm has a result early."""
    tasks_by_preset: bool = False
    """Whether the user named no task and the presets chose the suite's default one."""
    shard: Shard | None = None
    """The part of the grid that this is."""
    of_runs: int = 0
    """Runs of the grid that it is a part of."""

    def today(self, stored: RunSpec) -> RunSpec:
        """Give a stored document as today's configs read it, with today's names and defaults.

        So would a worker that goes on with the run. What they cannot read is left as it is.
        """
        configs: dict[str, type[Config]] = {}
        if stored.suite == self.suite.name:
            configs["suite_config"] = self.suite.config
        for algorithm in self.algorithms:
            if algorithm.name == stored.algorithm:
                configs["algorithm_config"] = algorithm.config
        try:
            return stored.model_copy(
                update={
                    name: config.model_validate(getattr(stored, name)).model_dump(mode="json")
                    for name, config in configs.items()
                }
            )
        except ValidationError:
            return stored


@dataclass(frozen=True)
class Shared:
    """What all runs of a plan have in common."""

    request: Request
    suite: Suite
    suite_config: Resolved
    run: Resolved
    paper: Sequence[Preset]
    """The preset by which labels judge, if there is one."""

    def spec(
        self, algorithm: Algorithm, presets: Sequence[Preset], own: Sequence[Override]
    ) -> RunSpec:
        """Resolve an algorithm's settings; task and seed are still to be put in."""
        said = [*defaults_of(algorithm), *learner_by_presets(algorithm, presets), *own]
        resolved = resolve(algorithm.name, algorithm.config, said)
        names, changes = variant(algorithm, presets, self.paper, resolved)
        return RunSpec(
            suite=self.suite.name,
            task=self.suite.default_task,
            algorithm=algorithm.name,
            label=self.label(algorithm, names, changes),
            seed=0,
            presets=tuple(preset.name for preset in presets),
            run=_checked(self.run),
            algorithm_config=resolved.document,
            algorithm_changes=changes,
            suite_config=self.suite_config.document,
            suite_changes=suite_changes(self.suite_config),
            origins=_origins(run=self.run, suite=self.suite_config, algorithm=resolved),
        )

    def label(self, algorithm: Algorithm, names: Sequence[str], changes: Mapping[str, Any]) -> str:
        """Name a variant as the user wants, or spell its presets and differences.

        What a preset that others bring along changes makes a variant of its own in either case.
        """
        if self.request.label is None:
            return labels.label(algorithm.name, names, changes)
        brought = [name for name in names if name not in self.request.presets]
        return labels.label(algorithm.name, [self.request.label, *brought], {})


def make_plan(catalogue: Catalogue, request: Request) -> Plan:
    """Resolve and check everything that a request means; raises UserError, writes nothing."""
    _check_label(request.label)
    players = cast(catalogue, request.algorithms, request.study)
    algorithms = list({each.algorithm.name: each.algorithm for each in players}.values())
    suite = catalogue.suite(request.suite)
    presets = [catalogue.preset(name) for name in _once(request.presets)]
    tasks = _tasks(suite, request.tasks, presets)
    seeds = _seeds(request.seeds, [*presets, *_study(catalogue, request)])
    _refuse_many(len(players) * len(tasks) * len(seeds), "runs")
    own = Sections(suite, algorithms, list(catalogue.algorithms)).sort(request.overrides)
    shared = Shared(
        request,
        suite,
        resolve("suite", suite.config, own["suite"]),
        resolve("run", RunConfig, [*host_by_presets(presets, suite), *own["run"]]),
        [catalogue.presets[PAPER]] if PAPER in catalogue.presets else [],
    )
    settings = shared.suite_config.config
    acted = {task: suite.actions(task, settings) for task in tasks}
    require_actions(algorithms, suite.name, acted)
    seen = {task: suite.observes_images(task, settings) for task in tasks}
    laid = {pictures: _laid(catalogue, presets, pictures) for pictures in set(seen.values())}
    first = {
        pictures: _labels_once(
            shared.spec(each.algorithm, over, each.over(own[each.algorithm.name]))
            for each in players
        )
        for pictures, over in laid.items()
    }
    specs = [
        spec.model_copy(update={"task": task, "seed": seed})
        for seed in seeds
        for task in tasks
        for spec in first[seen[task]]
    ]
    return Plan(
        suite=suite,
        algorithms=tuple(algorithms),
        tasks=tasks,
        seeds=seeds,
        presets=tuple(preset.name for preset in presets),
        run=_checked(shared.run),
        specs=tuple(_part(specs, request.shard)),
        tasks_by_preset=not request.tasks and len(tasks) < len(suite.tasks),
        shard=request.shard,
        of_runs=len(specs),
    )


def _part(specs: Sequence[RunSpec], shard: Shard | None) -> Sequence[RunSpec]:
    """Give the runs of a shard; parts have equally many of each algorithm and task."""
    if shard is None:
        return specs
    return dealt(specs, shard.of, lambda spec: (spec.label, spec.row))[shard.number - 1]


def _study(catalogue: Catalogue, request: Request) -> list[Study]:
    """Give the study, if one is asked for; raises UserError for a name beside it."""
    if request.study is None:
        return []
    if request.label is not None:
        raise UserError(f"--label {request.label}: the study {request.study} has its own labels")
    return [catalogue.study(request.study)]


def _labels_once(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """Give one of each label: variants of a study may come to the same settings."""
    found: dict[str, RunSpec] = {}
    for spec in specs:
        found.setdefault(spec.label, spec)
    return list(found.values())


def _check_label(name: str | None) -> None:
    """Raise UserError for a name that cannot be part of a label."""
    if name is None:
        return
    try:
        labels.check_name(name)
    except ValueError as error:
        raise UserError(f"--label {name}: {error}") from error


def _once(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _laid(catalogue: Catalogue, presets: Sequence[Preset], pictures: bool) -> list[Preset]:
    """Give the presets that settings are made of: where pictures are seen, some bring another."""
    names: list[str] = []
    for preset in presets:
        names.append(preset.name)
        if preset.on_pictures is not None and pictures:
            names.append(preset.on_pictures)
    return [catalogue.preset(name) for name in _once(names)]


def _tasks(suite: Suite, named: Sequence[str], presets: Sequence[Preset]) -> tuple[str, ...]:
    """Give the tasks that the user names, or those that the last preset to say so wants."""
    if not named:
        words = [each.all_tasks for each in presets if each.all_tasks is not None]
        published = suite.paper_tasks or suite.tasks
        return published if words and words[-1] else (suite.default_task,)
    for task in named:
        if task != ALL:
            check_task(suite, task)
    return tuple(
        _once([each for task in named for each in (suite.tasks if task == ALL else [task])])
    )


def _seeds(named: Sequence[int] | None, wanting: Sequence[Preset | Study]) -> tuple[int, ...]:
    """Give the seeds that the user names, or as many as the last preset, or a study, wants."""
    if named is None:
        numbers = [each.seeds for each in wanting if each.seeds is not None]
        return tuple(range(numbers[-1] if numbers else 1))
    if isinstance(named, range):  # `--seeds N`, of which N may be beyond what can be counted out
        _refuse_many(named.stop, "seeds")
    if not named or min(named) < 0:
        raise UserError("there is no run without a seed: --seeds 1 or more, --seed 0 or more")
    if max(named) >= LARGEST_SEED:
        raise UserError(f"--seed {max(named)}: a seed is less than {LARGEST_SEED}")
    return tuple(dict.fromkeys(named))


def _refuse_many(number: int, what: str) -> None:
    """Raise UserError for more runs than a grid takes, before anything is made for each."""
    if number > MOST_RUNS:
        raise UserError(
            f"that is a grid of {number:,} {what}, and one takes {MOST_RUNS:,} at most: "
            "give fewer --seeds, or parts of them with --seed"
        )


def _checked(run: Resolved) -> RunConfig:
    """Give the host's settings if the evaluation's episodes can be shared equally."""
    config = RunConfig.model_validate(run.config)
    evaluation = config.evaluation
    if evaluation.episodes % evaluation.num_envs:
        raise UserError(
            f"run.evaluation.episodes ({evaluation.episodes}) must be a multiple of "
            f"run.evaluation.num_envs ({evaluation.num_envs}), so that copies share them equally"
        )
    return config


def _origins(**sections: Resolved) -> dict[str, str]:
    return {
        f"{section}.{key}": origin
        for section, resolved in sections.items()
        for key, origin in resolved.origins.items()
    }
