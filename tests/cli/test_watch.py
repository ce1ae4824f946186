"""`marlbench watch`: which run is meant, what cannot be filmed, and a film in the end."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from marlbench.commands import watch
from marlbench.config import RunSpec
from marlbench.errors import UserError
from marlbench.installation import pip_install
from marlbench.store import create
from tests.cli.conftest import Call


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the test's own folder."""
    monkeypatch.chdir(tmp_path)


def waiting(results: Path, suite: str = "skirmish", task: str = "2v2", seed: int = 0) -> Path:
    """Make the folder of a run that nobody has begun."""
    names = {"suite": suite, "task": task, "algorithm": "qmix", "label": "qmix"}
    return create(results, RunSpec(**names, seed=seed))


def test_a_run_is_named_by_its_folder_its_path_below_results_or_what_holds_it_alone(
    tmp_path: Path,
) -> None:
    folder = waiting(tmp_path)
    for name in ("skirmish/2v2/qmix/seed_0", "skirmish/2v2/qmix", "skirmish", str(folder)):
        assert watch.find_run(name, tmp_path) == folder
    other = waiting(tmp_path, seed=1)
    assert watch.find_run(str(other), tmp_path / "elsewhere") == other
    with pytest.raises(
        UserError, match=f"skirmish holds 2 runs, name one: marlbench watch {folder}"
    ):
        watch.find_run("skirmish", tmp_path)
    with pytest.raises(
        UserError, match=f"no run 'skirmish/2v2/qmax/seed_0'; did you mean '{folder}"
    ):
        watch.find_run("skirmish/2v2/qmax/seed_0", tmp_path)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "there is no run 'nothing': give its folder (marlbench status)"),
        (["results"], "results/skirmish/2v2/qmix/seed_0 has no checkpoint yet: marlbench status"),
        (["results", "--out", "a.avi"], "--out a.avi: a film is a .gif or a .mp4 file"),
        (["results", "--out", "no/a.gif"], "--out no/a.gif: there is no folder no"),
        (["results", "--episodes", "0"], "--episodes"),
        (["results", "--fps", "0"], "--fps"),
        (["dull"], "the suite 'probe' cannot be drawn; these can: "),
    ],
)
def test_what_cannot_be_filmed_is_told_in_a_line_before_anything_is_written(
    call: Call, tmp_path: Path, arguments: list[str], said: str
) -> None:
    waiting(tmp_path / "results")
    waiting(tmp_path / "dull", suite="probe", task="counting")
    code, out, err = call("watch", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not list(tmp_path.rglob("*.gif"))


def test_mp4_without_ffmpeg_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"{re.escape(pip_install('video'))}, or --out FILE.gif$"):
        watch.check_film(Path("a.mp4"))


@pytest.mark.usefixtures("tiny", "here")
def test_a_trained_run_becomes_a_film(call: Call, tmp_path: Path) -> None:
    small = ["--suite", "skirmish", "--task", "2v2", "--preset", "smoke", "--steps", "60"]
    assert call("run", "--algo", "tiny", *small, "--seed", "0", "--workers", "1")[0] == 0
    code, out, err = call("watch", "results", "--episodes", "2", "--fps", "20")
    assert (code, err) == (0, "")
    first, *_, last = out.splitlines()
    folder = "results/skirmish/2v2/tiny/seed_0"
    assert first == f"filming {folder}"
    assert last.startswith(f"{folder}/film.gif: ")
    after = "tiny after 64 env steps, episodes the first of the evaluation at 60"
    assert last.endswith(f"frames, {after}")
    assert "  episode 2   step " in out
    with Image.open(tmp_path / folder / "film.gif") as gif:
        assert f"film.gif: {getattr(gif, 'n_frames', 1)} frames" in last


def test_the_command_itself_loads_nothing_heavy(tmp_path: Path) -> None:
    waiting(tmp_path / "results")
    code = """
import sys
sys.argv = ["marlbench", "watch", "results"]
from marlbench.cli import main
try:
    main()
except SystemExit as ended:
    assert ended.code == 2
heavy = "torch numpy pandas PIL matplotlib jax".split()
sys.exit(" ".join(name for name in heavy if name in sys.modules))
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.stderr.splitlines()[1:] == [""]  # after the mistake's line, no names
