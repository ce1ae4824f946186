"""Finds, checks and catalogues plugins; one that is broken is set aside and takes nothing down."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pluggy

from marlbench import hookspecs
from marlbench.errors import UserError, did_you_mean, one_line
from marlbench.executors import Executor
from marlbench.installation import DISTRIBUTION
from marlbench.plugin import API_VERSION, Algorithm, Preset, Suite
from marlbench.sinks import Sink
from marlbench.studies import Study
from marlbench.validation import NAMED, UNNAMED, flaw

__all__ = [
    "Broken",
    "Catalogue",
    "UnknownNameError",
    "check_open_tasks",
    "check_task",
    "load_catalogue",
]

GROUP = "marlbench"
PREFIX = "marlbench_"
CHANGES: dict[Any, str] = {
    1: "act(step, policy_state, rng, explore) draws from the rng it is given, "
    "Suite.observes_images replaces picture_tasks (docs/from-contract-1-to-2.md)"
}
"""What an author has to change, by the older contract that a plugin was written for."""
HOOKS = tuple(PREFIX + kind for kind in (*NAMED, *UNNAMED))

Entry = TypeVar("Entry")


class UnknownNameError(UserError):
    """Nothing in the catalogue has this name."""


class UnusableError(Exception):
    """A plugin cannot be taken; the text says why in one line, `entry` for which of its entries."""

    def __init__(self, said: str, entry: str | None = None) -> None:
        """Keep what is said, and the name of the entry that it is said of."""
        super().__init__(said)
        self.entry = entry


@dataclass(frozen=True)
class Broken:
    """A plugin that was set aside."""

    plugin: str
    """Name of its entry point."""
    distribution: str
    """Name and version of what was installed."""
    error: str
    """Why, in one line."""
    entry: str | None = None
    """Name of the entry that is wrong, where one is."""

    def __str__(self) -> str:
        """Give the line that lists show."""
        return f"{self.plugin} ({self.distribution}): {self.error}"


@dataclass
class Catalogue:
    """All that the installed plugins offer, by name, and the plugins that were set aside."""

    algorithms: dict[str, Algorithm] = field(default_factory=dict)
    suites: dict[str, Suite] = field(default_factory=dict)
    presets: dict[str, Preset] = field(default_factory=dict)
    studies: dict[str, Study] = field(default_factory=dict)
    executors: dict[str, Executor] = field(default_factory=dict)
    sinks: dict[str, Sink] = field(default_factory=dict)
    report_sections: list[Any] = field(default_factory=list)
    plugins: dict[str, str] = field(default_factory=dict)
    """The distribution of every plugin that lives, by the name of its entry point."""
    offered_by: dict[tuple[str, str], str] = field(default_factory=dict)
    """The distribution of every entry, by kind (`algorithms`, ...) and name."""
    broken: list[Broken] = field(default_factory=list)

    def algorithm(self, name: str) -> Algorithm:
        """Give the algorithm of this name; raises UnknownNameError."""
        return self._find("algorithm", name, self.algorithms)

    def suite(self, name: str) -> Suite:
        """Give the suite of this name; raises UnknownNameError."""
        return self._find("suite", name, self.suites)

    def preset(self, name: str) -> Preset:
        """Give the preset of this name; raises UnknownNameError."""
        return self._find("preset", name, self.presets)

    def study(self, name: str) -> Study:
        """Give the study of this name; raises UnknownNameError."""
        return self._find("study", name, self.studies)

    def executor(self, name: str) -> Executor:
        """Give the executor of this name; raises UnknownNameError."""
        return self._find("executor", name, self.executors)

    def sink(self, name: str) -> Sink:
        """Give the sink of this name; raises UnknownNameError."""
        return self._find("sink", name, self.sinks)

    def unknown(self, what: str, name: str, known: Iterable[str]) -> UnknownNameError:
        """Make the error for a name that nothing has: its plugin is broken, or it is misspelt."""
        for broken in self.broken:
            if name in (broken.plugin, broken.entry):
                return UnknownNameError(
                    f"the plugin {broken.plugin!r} is broken: {broken.error} (marlbench list)"
                )
        near = did_you_mean(name, known)
        return UnknownNameError(f"no plugin offers {what} {name!r}{near} (marlbench list)")

    def _find(self, kind: str, name: str, entries: Mapping[str, Entry]) -> Entry:
        if name not in entries:
            raise self.unknown(f"the {kind}", name, entries)
        return entries[name]


def load_catalogue(until: Collection[tuple[str, str]] = ()) -> Catalogue:
    """Import every installed plugin and gather what it offers; never raises for a plugin.

    With `until` (`("suites", "skirmish")`) only until these entries are there, the same as would be
    there in the end: a run needs two plugins of many.
    """
    catalogue, manager = Catalogue(), pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    for entry_point, distribution in _installed({name for _, name in until}):
        if until and all(name in getattr(catalogue, kind) for kind, name in until):
            break
        try:
            _add(catalogue, manager, entry_point, distribution)
        except UnusableError as error:
            catalogue.broken.append(Broken(entry_point.name, distribution, str(error), error.entry))
    return catalogue


def _installed(sought: Set[str]) -> Iterator[tuple[importlib.metadata.EntryPoint, str]]:
    """Give entry points with their distributions: our own first, so that ours keep their names.

    Of ours, none of which offers what another does, those first that are called by what is sought.
    """
    found = []
    for entry_point in importlib.metadata.entry_points(group=GROUP):
        dist = entry_point.dist
        found.append((entry_point, f"{dist.name} {dist.version}" if dist else "unknown"))

    def place(pair: tuple[importlib.metadata.EntryPoint, str]) -> tuple[bool, bool, str, str]:
        ours, name = pair[1].startswith(f"{DISTRIBUTION} "), pair[0].name
        return not ours, not (ours and name in sought), pair[1], name

    yield from sorted(found, key=place)


def _add(
    catalogue: Catalogue,
    manager: pluggy.PluginManager,
    entry_point: importlib.metadata.EntryPoint,
    distribution: str,
) -> None:
    """Take a plugin whole, or raise UnusableError and leave the catalogue as it was."""
    name = entry_point.name
    if name in catalogue.plugins:
        raise UnusableError(_twice("plugin", name, catalogue.plugins[name], distribution))
    plugin = _import(entry_point)
    _check_version(plugin)
    _register(manager, plugin, name)
    try:
        offers = _offers(manager, name)
        _check_names(catalogue, offers, distribution)
    except UnusableError:
        manager.unregister(name=name)
        raise
    catalogue.plugins[name] = distribution
    for kind, entries in offers.items():
        for entry in entries:
            _enter(catalogue, kind, entry, distribution)


def _enter(catalogue: Catalogue, kind: str, entry: Any, distribution: str) -> None:
    if kind in UNNAMED:
        getattr(catalogue, kind).append(entry)
        return
    getattr(catalogue, kind)[entry.name] = entry
    catalogue.offered_by[kind, entry.name] = distribution


def _import(entry_point: importlib.metadata.EntryPoint) -> Any:
    try:
        return entry_point.load()
    except (Exception, SystemExit) as error:  # a plugin may raise anything
        raise UnusableError(one_line(error)) from error


def _check_version(plugin: Any) -> None:
    version = getattr(plugin, "marlbench_api", None)
    if version is None:
        raise UnusableError(
            f"states no API version; add `marlbench_api = {API_VERSION}` to its module"
        )
    if type(version) is not int or version != API_VERSION:
        raise UnusableError(
            f"is for the plugin API {version!r}, this marlbench has {API_VERSION}; "
            + CHANGES.get(version, "upgrade whichever is older")
        )


def _register(manager: pluggy.PluginManager, plugin: Any, name: str) -> None:
    """Register a plugin if all its hooks exist; pluggy alone is silent about a misspelt one."""
    for hook in HOOKS:
        if callable(made := getattr(plugin, hook, None)) and not hasattr(made, "marlbench_impl"):
            raise UnusableError(f"{hook} is not marked: put @hookimpl above it")
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        raise UnusableError(_unknown_hook(plugin) or one_line(error)) from error


def _unknown_hook(plugin: Any) -> str | None:
    for name in dir(plugin):
        if name not in HOOKS and hasattr(getattr(plugin, name), "marlbench_impl"):
            return f"there is no hook {name!r}{did_you_mean(name, HOOKS)}"
    return None


def _offers(manager: pluggy.PluginManager, name: str) -> dict[str, list[Any]]:
    """Call every hook of one plugin."""
    offers: dict[str, list[Any]] = {}
    for kind in (*NAMED, *UNNAMED):
        hook = getattr(manager.hook, PREFIX + kind)
        for implementation in hook.get_hookimpls():
            if implementation.plugin_name == name:
                offers[kind] = _call(implementation.function, PREFIX + kind)
                _check_entries(kind, offers[kind])
    return offers


def _call(function: Any, hook: str) -> list[Any]:
    try:
        return list(function())
    except (Exception, SystemExit) as error:  # a plugin may raise anything
        raise UnusableError(f"{hook} failed: {one_line(error)}") from error


def _check_entries(kind: str, entries: list[Any]) -> None:
    for entry in entries:
        if wrong := flaw(kind, entry):
            said = f"{PREFIX}{kind} offers {' '.join(wrong.split())}"
            raise UnusableError(said, getattr(entry, "name", None))


def _check_names(catalogue: Catalogue, offers: dict[str, list[Any]], distribution: str) -> None:
    for kind in NAMED.keys() & offers.keys():
        names = [entry.name for entry in offers[kind]]
        for name in names:
            first = catalogue.offered_by.get((kind, name))
            if first or names.count(name) > 1:
                raise UnusableError(
                    _twice(NAMED[kind].__name__.lower(), name, first or distribution, distribution)
                )


def _twice(kind: str, name: str, first: str, second: str) -> str:
    if first == second:
        return f"the {kind} {name!r} is offered twice by {first}; rename one"
    return f"the {kind} {name!r} is offered by {first} and by {second}; uninstall one of them"


def check_task(suite: Suite, task: str) -> None:
    """Raise UnknownNameError if the suite has no such task."""
    if task in suite.tasks or suite.open_tasks:
        return
    near = did_you_mean(task, suite.tasks)
    raise UnknownNameError(
        f"the suite {suite.name!r} has no task {task!r}{near} (marlbench show {suite.name})"
    )


def require_actions(algorithms: Iterable[Algorithm], suite: str, kinds: Mapping[str, str]) -> None:
    """Raise UserError for the first algorithm that cannot act as a task wants.

    `kinds`: how agents act (`EnvSpec.actions`) by name of the suite's tasks.
    """
    for task, kind in kinds.items():
        for each in algorithms:
            if kind not in each.actions:
                needs = " or ".join(each.actions)
                raise UserError(
                    f"{each.name} needs {needs} actions, and {suite}/{task} has {kind} actions: "
                    f"leave {each.name} out, or take another task"
                )


def check_open_tasks(suite: Suite, tasks: Iterable[str], config: Any) -> None:
    """Raise UserError for a task that cannot be built, of a suite that takes any name.

    Only a building can tell whether such a name means something; other suites list theirs. It is
    done in a process of its own, of which an environment may do what it likes.
    """
    if not suite.open_tasks:
        return
    from marlbench.vecenv.process import call  # with numpy, which listing plugins spares

    for task in tasks:
        try:
            call(build_and_close, suite.name, task, config)
        except Exception as error:  # a plugin may raise anything
            raise UnknownNameError(
                f"the suite {suite.name!r} cannot build the task {task!r}: {one_line(error)}"
            ) from error


def build_and_close(suite: str, task: str, config: Any) -> None:
    """Build one copy of a task and close it again; raises what that raises."""
    from marlbench.vecenv.single import build_single

    build_single(load_catalogue().suite(suite), task, config).close()
