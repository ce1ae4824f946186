"""`marlbench show`: settings of an algorithm, suite, preset, executor or the host, and studies."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from marlbench.config import RunConfig
from marlbench.executors import Executor
from marlbench.fields import Setting, settings_of
from marlbench.host import Catalogue
from marlbench.needs import missing
from marlbench.overrides import Override
from marlbench.plugin import Algorithm, Preset, Suite
from marlbench.settings import defaults_of, host_by_presets, learner_by_presets
from marlbench.studies import Study

__all__ = ["describe"]

HOST = "run"
WIDTH = 100
INDEX = {
    "told": "agents are told their index",
    "implied": "agents know their index by the order in which they act",
    "hidden": "agents are not told their index",
}
NO_DEFAULT = "(none: must be set)"


def describe(catalogue: Catalogue, name: str) -> Iterator[str]:
    """Give the lines that describe what has this name; raises UnknownNameError."""
    presets = list(catalogue.presets.values())
    if name == HOST:
        return _host(presets)
    if name in catalogue.algorithms:
        return _algorithm(catalogue.algorithms[name], presets)
    if name in catalogue.suites:
        return _suite(catalogue.suites[name])
    if name in catalogue.presets:
        return _preset(catalogue.presets[name], catalogue)
    if name in catalogue.executors:
        return _executor(catalogue.executors[name])
    if name in catalogue.studies:
        return _study(catalogue.studies[name])
    named = (catalogue.algorithms, catalogue.suites, catalogue.presets, catalogue.studies)
    known = [HOST, *chain(*named, catalogue.executors)]
    raise catalogue.unknown("an algorithm, suite, preset, study or executor", name, known)


def _host(presets: Iterable[Preset]) -> Iterator[str]:
    yield "run: the host's own settings, the same for every algorithm"
    yield ""
    by_preset = {each.name: _values(host_by_presets([each])) for each in presets}
    yield from _settings("run.", settings_of(RunConfig), {}, by_preset)


def _algorithm(algorithm: Algorithm, presets: Iterable[Preset]) -> Iterator[str]:
    yield f"{algorithm.name}: {algorithm.paper}" if algorithm.paper else algorithm.name
    gpu = "; the paper's settings want a GPU" if algorithm.wants_gpu else ""
    yield f"{algorithm.execution} execution; {INDEX[algorithm.agent_index]}{gpu}"
    yield ""
    by_preset = {each.name: _values(learner_by_presets(algorithm, [each])) for each in presets}
    own = _values(defaults_of(algorithm))
    prefix = f"{algorithm.name}."
    yield from _settings(prefix, settings_of(algorithm.config), own, by_preset)


def _suite(suite: Suite) -> Iterator[str]:
    others = ", or any that it can build" if suite.open_tasks else ""
    yield from _folded(f"{suite.name}: tasks {', '.join(suite.tasks)}{others}")
    yield f"short presets play {suite.default_task}"
    if images := _image_tasks(suite):
        seen = "all" if len(images) == len(suite.tasks) else ", ".join(images)
        yield from _folded(f"pictures are seen in {seen}")
    if lack := missing(suite):
        yield f"not installed: {lack}"
    yield ""
    yield from _settings("suite.", settings_of(suite.config), {}, {})


def _image_tasks(suite: Suite) -> list[str]:
    """Give the tasks whose observations are images, as far as the suite's defaults tell."""
    if any(setting.required for setting in settings_of(suite.config).values()):
        return []
    config = suite.config()
    return [task for task in suite.tasks if suite.observes_images(task, config)]


def _executor(executor: Executor) -> Iterator[str]:
    yield f"{executor.name}: {executor.summary}"
    yield ""
    yield from _settings(f"{executor.name}.", settings_of(executor.config), {}, {})


def _preset(preset: Preset, catalogue: Catalogue) -> Iterator[str]:
    yield f"{preset.name}: {preset.summary}"
    yield ""
    if preset.on_pictures is not None:
        yield f"settings of {preset.on_pictures} follow where observations are images"
    if preset.seeds is not None:
        yield f"seeds {preset.seeds}"
    for key, value in _values(host_by_presets([preset])).items():
        yield f"run.{key} = {_spelt(value)}"
    for suite in catalogue.suites.values():
        own = host_by_presets([replace(preset, run={})], suite)
        for key, value in _values(own).items():
            yield f"run.{key} = {_spelt(value)} on {suite.name}"
    for algorithm in catalogue.algorithms.values():
        for key, value in _values(learner_by_presets(algorithm, [preset])).items():
            yield f"{algorithm.name}.{key} = {_spelt(value)}"


def _study(study: Study) -> Iterator[str]:
    yield f"{study.name}: {study.summary}"
    yield ""
    width = max(map(len, study.variants))
    for name, variant in study.variants.items():
        said = ", ".join(f"{key} = {_spelt(value)}" for key, value in variant.settings.items())
        yield f"{name:<{width}}  {variant.algorithm}{f' with {said}' if said else ''}"
    if study.seeds is not None:
        yield f"seeds {study.seeds}"
    yield ""
    for figure in study.figures:
        axis = f"at the end, against {figure.along}" if figure.along else "against env steps"
        yield from _folded(f"figure: {figure.title}, {axis}, of {', '.join(figure.variants)}")
    yield f"marlbench run --study {study.name} --suite NAME plays it, marlbench report draws it"


def _values(overrides: Iterable[Override]) -> dict[str, Any]:
    return {override.key: override.value for override in overrides}


def _settings(
    prefix: str,
    settings: Mapping[str, Setting],
    own: Mapping[str, Any],
    by_preset: Mapping[str, Mapping[str, Any]],
) -> Iterator[str]:
    """Give per key its default, its value by preset where that differs, sentence and source."""
    if not settings:
        yield "no settings"
    for key, setting in settings.items():
        default = own.get(key, setting.default)
        lacks = setting.required and key not in own
        values = [f"{prefix}{key} = {NO_DEFAULT if lacks else _spelt(default)}"]
        values += [
            f"{name} {_spelt(changes[key])}"
            for name, changes in by_preset.items()
            if key in changes and changes[key] != default
        ]
        source = f" [{setting.source}]" if setting.source else ""
        yield "   ".join(values)
        yield from _wrapped(f"{setting.sentence.rstrip('.')}{source}; {setting.allowed}")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")


def _folded(text: str) -> list[str]:
    """Fold a line with names in it, which stay whole."""
    return textwrap.wrap(
        text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _spelt(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
