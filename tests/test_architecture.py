"""Who may import whom, and how large things may grow: the rules of docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOST = ROOT / "marlbench"
PLUGINS = sorted(
    path for root in ("algorithms", "envs") for path in (ROOT / root).glob("marlbench_*")
)
FILES = sorted(file for package in (HOST, *PLUGINS) for file in package.rglob("*.py"))
HOSTS = [file for file in FILES if file.is_relative_to(HOST)]
SIMULATORS = {
    "dmlab2d",
    "meltingpot",
    "gymnasium",
    "jax",
    "jaxmarl",
    "lbforaging",
    "mpe2",
    "pettingzoo",
    "pysc2",
    "smac",
    "smacv2",
}
LEARNING = {"torch", "flax", "tensorflow"}
VAGUE = {"utils", "util", "common", "helpers", "base", "misc", "manager"}

ALLOWED = {
    "plugin": (),
    "config": ("plugin",),
    "hookspecs": ("executors", "plugin"),
    "store": ("config", "plugin"),
    "report": ("store",),
    "toolbox": ("plugin",),
    "drawing": (),
    "executors": (),
    "host": ("config", "executors", "fields", "hookspecs", "mistakes", "plugin"),
    "grid": ("config", "executors", "host", "mistakes", "plugin", "settings", "store", "wishes"),
    "run": ("config", "host", "plugin", "store"),
    "testing": ("config", "host", "plugin", "run"),
}
"""Which rooms of the host each room may import, besides itself."""
LIGHT = (
    *("plugin", "config", "hookspecs", "host", "settings", "builtin", "fields", "mistakes"),
    *("drawing", "wishes", "commands", "grid", "store", "report"),
)
"""Rooms that never import torch or a simulator, not even inside a function."""


def name_of(file: Path) -> str:
    """The dotted name that a file is imported by."""
    base = next((plugin.parent for plugin in PLUGINS if plugin in file.parents), ROOT)
    parts = file.relative_to(base).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree_of(file: Path) -> ast.Module:
    """The code of a file, without what only type checkers read."""
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    return Drop(
        lambda node: isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    )(tree)


class Drop(ast.NodeTransformer):
    """Leaves out the nodes that a question is not about."""

    def __init__(self, unwanted: Callable[[ast.AST], bool]) -> None:
        self.unwanted = unwanted

    def __call__(self, tree: ast.Module) -> ast.Module:
        """The tree without them, in place."""
        self.visit(tree)
        return tree

    def visit(self, node: ast.AST) -> ast.AST | None:
        """Drop the node or look into it."""
        return None if self.unwanted(node) else self.generic_visit(node)


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names that are imported anywhere below a node."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names)


def within(name: str, *packages: str) -> bool:
    """Whether a dotted name is one of these packages or below it."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def strangers(file: Path, *allowed: str) -> list[str]:
    """What a file imports of this project besides its own package and those allowed."""
    named = imports(tree_of(file))
    return [name for name in named if name.startswith("marlbench") and not within(name, *allowed)]


def heavy(tree: ast.Module) -> set[str]:
    """The learning libraries and simulators that code imports."""
    return {name.split(".")[0] for name in imports(tree)} & (LEARNING | SIMULATORS)


def offences(files: Iterable[Path], found: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """What is found wrong, by module."""
    return {name_of(file): wrong for file in files if (wrong := sorted(found(file)))}


def test_imports_are_absolute() -> None:
    relative = offences(FILES, lambda f: [n for n in imports(tree_of(f)) if n.startswith(".")])
    assert relative == {}


def test_an_algorithm_imports_the_contract_the_toolbox_and_itself() -> None:
    files = [file for file in FILES if "algorithms" in file.parts]
    allowed = ("marlbench.plugin", "marlbench.toolbox")
    assert files
    assert offences(files, lambda f: strangers(f, name_of(f).split(".")[0], *allowed)) == {}


def test_an_environment_imports_the_contract_drawing_and_itself_and_no_learning_library() -> None:
    files = [file for file in FILES if "envs" in file.parts]
    assert files
    allowed = ("marlbench.plugin", "marlbench.drawing")
    assert offences(files, lambda f: strangers(f, name_of(f).split(".")[0], *allowed)) == {}
    assert offences(files, lambda f: heavy(tree_of(f)) & LEARNING) == {}


def test_the_host_names_no_plugin() -> None:
    def named(file: Path) -> list[str]:
        code = ast.unparse(Drop(is_bare_string)(tree_of(file)))
        return [plugin.name for plugin in PLUGINS if plugin.name in code]

    assert offences(HOSTS, named) == {}


def test_a_room_imports_only_the_rooms_that_it_may() -> None:
    def wrong(file: Path) -> list[str]:
        room = next(room for room in ALLOWED if within(name_of(file), f"marlbench.{room}"))
        return strangers(file, *(f"marlbench.{other}" for other in (room, *ALLOWED[room])))

    rooms = [f for f in HOSTS if within(name_of(f), *(f"marlbench.{room}" for room in ALLOWED))]
    assert offences(rooms, wrong) == {}


def test_what_lists_plans_and_reports_imports_no_learning_library_and_no_simulator() -> None:
    rooms = [file for file in HOSTS if within(name_of(file), *(f"marlbench.{r}" for r in LIGHT))]
    rooms += HOST.glob("cli*.py")
    assert offences(rooms, lambda f: heavy(tree_of(f))) == {}


def test_a_plugins_door_is_light() -> None:
    doors = [file for file in FILES if file.parent in PLUGINS]
    doors = [file for file in doors if file.name in ("__init__.py", "config.py")]
    assert len(doors) >= len(PLUGINS)
    assert offences(doors, lambda file: heavy(at_import(tree_of(file)))) == {}


def test_modules_import_without_a_loop() -> None:
    names = {name_of(file) for file in FILES}
    graph = {
        name_of(file): {m for n in imports(at_import(tree_of(file))) if (m := nearest(n, names))}
        for file in FILES
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name] - {name}):
                visit(other, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_files_and_functions_stay_short() -> None:
    long = {name_of(file): n for file in FILES if (n := len(file.read_text().splitlines())) > 350}
    assert long == {}
    assert offences(FILES, long_functions) == {}


def long_functions(file: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno >= 60:
                yield node.name


def test_every_module_says_what_it_is_for_and_none_has_a_vague_name() -> None:
    assert [name_of(file) for file in FILES if not ast.get_docstring(tree_of(file))] == []
    assert [name_of(file) for file in FILES if file.stem in VAGUE] == []


def test_every_package_is_typed() -> None:
    assert [p.name for p in (HOST, *PLUGINS) if not (p / "py.typed").exists()] == []


def test_every_hook_is_documented_and_every_documented_hook_exists() -> None:
    hooks = {n.name for n in tree_of(HOST / "hookspecs.py").body if isinstance(n, ast.FunctionDef)}
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    table = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert {hook for hook in hooks if f"`{hook}`" in table} == hooks
    kinds = "algorithms|suites|presets|executors|sinks|report_sections"
    assert set(re.findall(rf"\bmarlbench_(?:{kinds})\b", pages)) <= hooks


def nearest(name: str, names: set[str]) -> str | None:
    """The module that an imported name is or lies in; None outside the project."""
    return name if name in names else (nearest(name.rpartition(".")[0], names) if name else None)


def at_import(tree: ast.Module) -> ast.Module:
    """What runs when a module is imported: all but the bodies of functions."""
    return Drop(lambda node: isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))(tree)


def is_bare_string(node: ast.AST) -> bool:
    """A docstring, or a field's."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
