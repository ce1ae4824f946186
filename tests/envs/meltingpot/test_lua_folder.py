"""The copy of the Lua folder: whole, made once, by many at a time, and what its `pairs` does."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import marlbench_meltingpot
from marlbench.needs import missing
from marlbench_meltingpot import lua_folder

(SUITE,) = marlbench_meltingpot.marlbench_suites()
LACK = missing(SUITE)
pytestmark = pytest.mark.skipif(LACK is not None, reason=str(LACK))

LEVEL = """
%s
local function walk(t, during)
  local seen = {}
  for key, value in pairs(t) do
    seen[#seen + 1] = tostring(key) .. '=' .. tostring(value)
    if during then during(t, key) end
  end
  return table.concat(seen, ' ')
end
local said = %s
local api = {}
function api:init() end
function api:observationSpec() return {{name = 'SAID', type = 'String', shape = {0}}} end
function api:observation() return said end
function api:discreteActionSpec() return {} end
function api:start() end
function api:advance() return true, 0 end
return api
"""


@pytest.fixture
def installed() -> Path:
    """The folder in which Melting Pot is installed."""
    found = find_spec("meltingpot")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parents[1]


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Let every test find or make the copy itself."""
    lua_folder.sorted_folder.cache_clear()
    yield
    lua_folder.sorted_folder.cache_clear()


def said(expression: str, folder: Path) -> str:
    """What Lua gives for an expression where `pairs` is ours."""
    import dmlab2d
    from dmlab2d import runfiles_helper

    patch = files("marlbench_meltingpot").joinpath("sorted_pairs.lua").read_text()
    (folder / "level").mkdir(parents=True)
    (folder / "level" / "init.lua").write_text(LEVEL % (patch, expression))
    settings = {"levelDirectory": str(folder), "levelName": "level"}
    lab = dmlab2d.Lab2d(runfiles_helper.find(), settings)
    lab.start(0, 1)
    answer: Any = lab.observation("SAID")
    return answer.decode() if isinstance(answer, bytes) else str(answer)


@pytest.mark.parametrize(
    ("expression", "order"),
    [
        ("walk({})", ""),
        ("walk({5, 6, 7})", "1=5 2=6 3=7"),
        ("walk({b = 1, a = 2, c = 3})", "a=2 b=1 c=3"),
        ("walk({[3] = 1, [-1] = 2, [1.5] = 3})", "-1=2 1.5=3 3=1"),
        ("walk({[10] = 1, [9] = 2, ['10'] = 3, ['9'] = 4})", "9=2 10=1 10=3 9=4"),
        ("walk({7, x = 1, [true] = 2, [false] = 3})", "1=7 x=1 false=3 true=2"),
        # What is taken away during a walk does not come; what is put in another place does.
        ("walk({a = 1, b = 2, c = 3}, function(t) t.c = nil end)", "a=1 b=2"),
        ("walk({a = 1, b = 2}, function(t, k) t[k] = nil end)", "a=1 b=2"),
        ("walk({1, 2, 3}, function(t, k) t[k] = nil end)", "1=1 2=2 3=3"),
        ("tostring(#walk({[{}] = 1, [{}] = 2, a = 3}) > 20)", "true"),
    ],
)
def test_tables_are_walked_in_order(expression: str, order: str, tmp_path: Path) -> None:
    assert said(expression, tmp_path) == order


def test_many_strings_come_in_their_order(tmp_path: Path) -> None:
    names = sorted(f"key{number}" for number in range(300))
    table = ", ".join(f"{name} = 0" for name in reversed(names))
    assert said(f"walk({{{table}}})", tmp_path).split() == [f"{name}=0" for name in names]


def test_the_copy_is_all_that_is_installed_and_the_patch(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = contents(installed / lua_folder.LUA)
    copy = lua_folder.sorted_folder(installed)
    after = contents(copy / lua_folder.LUA)
    patched = str(lua_folder.FIRST.relative_to(lua_folder.LUA))
    assert {name for name in before if before[name] != after[name]} == {patched}
    assert before.keys() == after.keys()
    assert contents(installed / lua_folder.LUA) == before
    assert copy.is_relative_to(tmp_path / "marlbench")


def test_another_content_has_another_folder(installed: Path) -> None:
    source = installed / lua_folder.LUA
    assert lua_folder.digest(source, "one") != lua_folder.digest(source, "two")
    assert lua_folder.digest(source, "one") != lua_folder.digest(source / "modules", "one")


def test_processes_that_make_it_at_once_get_one_whole_copy(installed: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; "
        "from marlbench_meltingpot.lua_folder import sorted_folder; "
        "print(sorted_folder(Path(sys.argv[1])))"
    )
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code, str(installed)]
    made = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) for _ in range(4)]
    folders = {process.communicate()[0].strip() for process in made}
    assert [process.returncode for process in made] == [0] * 4
    assert len(folders) == 1
    assert [str(folder) for folder in (tmp_path / "marlbench").iterdir()] == list(folders)
    assert len(contents(Path(folders.pop()))) == len(contents(installed / lua_folder.LUA))


def test_who_comes_second_takes_the_first_ones_copy(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, place = installed / lua_folder.LUA, tmp_path / "copy"
    rename = Path.rename

    def overtaken(whole: Path, target: Path) -> Path:
        (target / "theirs").mkdir(parents=True)  # another process is done a moment before
        return rename(whole, target)

    monkeypatch.setattr(Path, "rename", overtaken)
    assert lua_folder.placed(source, "", place) == place
    assert [file.name for file in tmp_path.iterdir()] == ["copy"]
    assert [file.name for file in place.iterdir()] == ["theirs"]


def test_where_nothing_can_be_kept_all_processes_of_a_user_share_one_copy(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    copy = lua_folder.sorted_folder(installed)
    assert (copy / lua_folder.FIRST).is_file()
    lua_folder.sorted_folder.cache_clear()
    assert lua_folder.sorted_folder(installed) == copy
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    assert copy.parent == tmp_path / f"marlbench-{os.getuid()}"


def test_a_temporary_folder_that_others_may_write_into_or_lead_elsewhere_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    place = lua_folder.temporary_folder()
    place.chmod(0o777)
    assert lua_folder.temporary_folder() != place
    place.rename(tmp_path / "theirs")
    (tmp_path / "theirs").chmod(0o700)
    place.symlink_to(tmp_path / "theirs")
    assert lua_folder.temporary_folder() != place


def contents(folder: Path) -> dict[str, str]:
    """Digests of the Lua files below a folder, by their names."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*.lua")
    }
