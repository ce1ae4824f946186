"""Who may import whom, and how large things may grow: the rules of docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
HOST = ROOT / "marlbench"
PLUGINS = sorted(
    path for root in ("algorithms", "envs") for path in (ROOT / root).glob("marlbench_*")
)
COMMAND = ROOT / "marlbench_command.py"
FILES = sorted([COMMAND, *(file for package in (HOST, *PLUGINS) for file in package.rglob("*.py"))])
HOSTS = [file for file in FILES if file.is_relative_to(HOST)]
SIMULATORS = {
    "dmlab2d",
    "vmas",
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
HEAVY = {"torch": LEARNING, "simulators": SIMULATORS}
"""What the page's column `loads` means."""
VAGUE = {"utils", "util", "common", "helpers", "base", "misc", "manager"}


class Row(NamedTuple):
    """A row of the page's table of imports."""

    rooms: list[str]
    imports: list[str]
    loads: list[str]


def rows_of(page: str) -> list[Row]:
    """The table of imports; a cell is names in backquotes or `nothing`: no words, no exceptions."""
    section = page.split("\n## Who imports whom\n")[1].split("\n## ")[0]
    head, rule, *rows = [line for line in section.splitlines() if line.startswith("|")]
    assert head == "| room | imports, of this project | loads |"
    assert rule == "|---|---|---|"
    return [Row(*map(names_in, row[2:-2].split(" | "))) for row in rows]


def names_in(cell: str) -> list[str]:
    """The names in a cell."""
    assert re.fullmatch(r"nothing|`[^`]+`(, `[^`]+`)*", cell), f"not names alone: {cell}"
    return re.findall(r"`([^`]+)`", cell)


ROWS = rows_of(PAGE)
ROW = {room: row for row in ROWS for room in row.rooms}


def room_of(file: Path) -> str:
    """The room that a module stands in, as the page names it."""
    if file == COMMAND:
        return file.stem
    if not file.is_relative_to(HOST):
        return f"{file.relative_to(ROOT).parts[0]}/marlbench_*"
    return (*name_of(file).split("."), "__init__")[1]


def own_of(file: Path) -> str:
    """What a module may import freely: its own room of the host, or its own plugin."""
    package = name_of(file).split(".")[0]
    return package if package != "marlbench" else f"marlbench.{room_of(file)}"


def name_of(file: Path) -> str:
    """The dotted name that a file is imported by."""
    base = next((plugin.parent for plugin in PLUGINS if plugin in file.parents), ROOT)
    parts = file.relative_to(base).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def code_of(file: Path) -> ast.Module:
    """The code of a file, all of it."""
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def tree_of(file: Path) -> ast.Module:
    """The code of a file, without what only type checkers read."""
    return Drop(
        lambda node: isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    )(code_of(file))


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


def strangers(file: Path) -> list[str]:
    """What a file imports of this project, wherever and whatever for, besides its own room."""
    ours = [name for name in imports(code_of(file)) if name.startswith("marlbench")]
    return [name for name in ours if not within(name, own_of(file))]


def ungranted(file: Path) -> list[str]:
    """What a file imports of this project that its room's row does not grant."""
    granted = [f"marlbench.{name}" for name in ROW[room_of(file)].imports]
    return [name for name in strangers(file) if not within(name, *granted)]


def heavy(tree: ast.Module) -> set[str]:
    """The learning libraries and simulators that code imports."""
    return {name.split(".")[0] for name in imports(tree)} & (LEARNING | SIMULATORS)


def offences(files: Iterable[Path], found: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """What is found wrong, by module."""
    return {name_of(file): wrong for file in files if (wrong := sorted(found(file)))}


def test_imports_are_absolute() -> None:
    relative = offences(FILES, lambda f: [n for n in imports(code_of(f)) if n.startswith(".")])
    assert relative == {}


def test_every_module_has_one_room_and_every_room_a_module() -> None:
    assert Counter(room for row in ROWS for room in row.rooms) == Counter(set(map(room_of, FILES)))


def test_a_room_imports_only_what_the_page_grants() -> None:
    assert offences(FILES, ungranted) == {}


def test_the_page_grants_only_what_is_used() -> None:
    used: dict[str, set[str]] = {room: set() for room in ROW}
    loaded: dict[str, set[str]] = {room: set() for room in ROW}
    for file in FILES:
        used[room_of(file)].update(strangers(file))
        loaded[room_of(file)].update(heavy(tree_of(file)))
    for room, row in ROW.items():
        for grant in row.imports:
            assert any(within(name, f"marlbench.{grant}") for name in used[room]), (room, grant)
        for grant in row.loads:
            assert loaded[room] & HEAVY[grant], (room, grant)


def test_a_room_imports_only_what_stands_above_it() -> None:
    above: set[str] = set()
    for row in ROWS:
        assert {name.split(".")[0] for name in row.imports} <= above, row.rooms
        above |= set(row.rooms)


def test_a_room_loads_only_the_heavy_libraries_that_the_page_grants() -> None:
    def wrong(file: Path) -> set[str]:
        return heavy(tree_of(file)).difference(*(HEAVY[n] for n in ROW[room_of(file)].loads))

    assert offences(FILES, wrong) == {}


def test_the_page_draws_the_rooms_that_there_are() -> None:
    drawn = PAGE.split("\n## Rooms\n\n```\n")[1].split("\n```\n")[0]
    inside = " ".join(re.findall(r"^  (.+?)  ", drawn, re.M)).split()
    rooms = {room for room in ROW if "/" not in room} - {"__init__", COMMAND.stem}
    assert sorted(name.removesuffix(".py").rstrip("/") for name in inside) == sorted(rooms)
    outside = re.findall(r"^(\S+)", drawn, re.M)
    assert [name for name in outside if not any(ROOT.glob(name.rstrip("/")))] == []


def test_the_page_for_authors_names_what_plugins_may_import() -> None:
    page = (ROOT / "docs" / "write-a-plugin.md").read_text(encoding="utf-8")
    table = page.split("\n| a plugin that offers | imports |\n|---|---|\n")[1].split("\n\n")[0]
    rows = [line.split(" | ") for line in table.removeprefix("| ").split("\n| ")]
    named = {offer: set(re.findall(r"`marlbench\.(\w+)`", cell)) for offer, cell in rows}
    assert named["an algorithm"] == set(ROW["algorithms/marlbench_*"].imports)
    assert named["a suite"] == set(ROW["envs/marlbench_*"].imports)
    assert set().union(*named.values()) <= ROW.keys()


def test_the_host_names_no_plugin() -> None:
    def named(file: Path) -> list[str]:
        code = ast.unparse(Drop(is_bare_string)(tree_of(file)))
        return [plugin.name for plugin in PLUGINS if plugin.name in code]

    assert offences(HOSTS, named) == {}


def test_a_plugins_door_is_light() -> None:
    doors = [file for file in FILES if file.parent in PLUGINS]
    doors = [file for file in doors if file.name in ("__init__.py", "config.py")]
    assert len(doors) >= len(PLUGINS)
    assert offences(doors, lambda file: heavy(at_import(tree_of(file)))) == {}


def test_modules_import_without_a_loop() -> None:
    """Imports inside functions and for types alone count too: modules that need each other do."""
    names = {name_of(file) for file in FILES}
    graph = {
        name_of(file): {m for n in imports(code_of(file)) if (m := nearest(n, names))}
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
    assert {hook for hook in hooks if f"`{hook}`" in PAGE} == hooks
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
