"""What a user sees of a grid: the picture on a terminal, the lines in a pipe, the time to go."""

from __future__ import annotations

import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from marlbench.config import RunConfig, RunSpec
from marlbench.grid.board import Board
from marlbench.grid.live import LiveView
from marlbench.grid.memory import REMEDY
from marlbench.grid.plain import PlainView
from marlbench.store.files import replace_json


def board_of(folder: Path, labels: list[str], slots: int = 2, seeds: int = 1) -> Board:
    """A board of runs whose folders exist and are empty."""
    runs = []
    for seed in range(seeds):
        for label in labels:
            spec = RunSpec(
                suite="skirmish",
                task="rand_5v5",
                algorithm="dmawm",
                label=label,
                seed=seed,
                run=RunConfig(steps=400_000),
            )
            runs.append((folder / f"{label}_{seed}", spec))
            runs[-1][0].mkdir(parents=True)
    return Board(runs, slots)


def write(folder: Path, **progress: Any) -> None:
    """Be a worker that tells its progress."""
    document = {"time": time.time(), "phase": "training", "eta_s": None}
    replace_json(folder / "progress.json", document | progress, durable=False)


def screen(board: Board, width: int, height: int) -> list[str]:
    """The picture as lines."""
    paper = StringIO()
    console = Console(file=paper, width=width, height=height)
    console.print(LiveView(board, console).picture())
    return paper.getvalue().splitlines()


def test_a_run_is_shown_with_its_steps_speed_time_and_scores(tmp_path: Path) -> None:
    board = board_of(tmp_path, ["dmawm"])
    (folder,) = board.rows
    board.started(folder, 1)
    write(
        folder,
        env_steps=123_456,
        steps_per_s=72.4,
        eta_s=7300,
        elapsed_s=900,
        scores={"win": "25.0 %"},
    )
    board.refresh()
    (line,) = [line for line in screen(board, 120, 30) if "dmawm" in line]
    assert line.split()[:4] == ["●", "rand_5v5", "dmawm", "0"]
    assert "123k/400k" in line
    assert line.split()[-8:] == ["72", "2", "h", "01", "min", "win", "25.0", "%"]
    assert "1 of 2 slots busy · 2 h 01 min to go" in "\n".join(screen(board, 80, 24))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (60, 10)])
def test_the_picture_fits_the_terminal_whatever_happens(
    tmp_path: Path, width: int, height: int
) -> None:
    long = "dmawm-quick-gamma=0.7-mixer=monotonic-num_envs=16"
    board = board_of(tmp_path, ["dmawm", long], seeds=30)
    folders = list(board.rows)
    for folder in folders[:12]:
        board.started(folder, 1)
        write(folder, env_steps=399_999, eta_s=86_000, elapsed_s=5, scores={"return": "-123.40"})
    for folder in folders[:6]:
        board.finished(folder, "ValueError: " + "a long story " * 20)
    board.finished(folders[6], None)
    board.retrying(folders[7], "the worker was killed by SIGKILL (memory?)")
    board.refresh()
    lines = screen(board, width, height)
    assert len(lines) < height
    assert max(len(line) for line in lines) <= width
    text = "\n".join(lines)
    assert "1 of 60 runs done · 6 failed" in text
    assert "more" in text
    assert lines[-1][0] in "✗↻"


def test_running_and_failed_runs_come_before_those_that_wait(tmp_path: Path) -> None:
    board = board_of(tmp_path, ["dmawm"], seeds=30)
    last = list(board.rows)[-1]
    board.started(last, 1)
    assert any(line.startswith("●") for line in screen(board, 80, 12))


def test_time_to_go_is_unknown_until_updates_were_timed(tmp_path: Path) -> None:
    board = board_of(tmp_path, ["dmawm"])
    assert board.eta() is None
    (folder,) = board.rows
    board.started(folder, 1)
    write(folder, env_steps=10, elapsed_s=1)
    board.refresh()
    assert board.eta() is None


def test_time_to_go_counts_the_runs_that_wait(tmp_path: Path) -> None:
    board = board_of(tmp_path, ["dmawm"], slots=1, seeds=3)
    first, second, _ = board.rows
    board.started(first, 1)
    write(first, env_steps=10, elapsed_s=40, eta_s=60)
    board.refresh()
    assert board.eta() == pytest.approx(60 + 2 * 100)  # the others last 40 + 60 s each
    write(first, env_steps=400_000, elapsed_s=120, eta_s=0)
    board.finished(first, None)
    board.started(second, 1)
    # both that are left last 120 s, of which the test itself took some; it is not that slow
    assert board.eta() == pytest.approx(240, abs=30)


def test_progress_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    board = board_of(tmp_path, ["dmawm"])
    (folder,) = board.rows
    row = board.started(folder, 1)
    write(folder, env_steps=10)
    board.refresh()
    before = row.progress
    board.refresh()
    assert row.progress is before
    write(folder, env_steps=10)
    board.refresh()
    assert row.progress is not before


def test_the_time_to_go_of_many_runs_takes_no_more_for_each(tmp_path: Path) -> None:
    def seconds(runs: int) -> float:
        board = board_of(tmp_path / str(runs), ["dmawm"], slots=64, seeds=runs)
        for row in list(board.rows.values())[::2]:
            row.state, row.progress = "done", {"elapsed_s": 100.0}
        taken = []
        for _ in range(3):
            began = time.process_time()
            assert board.eta() == pytest.approx(runs / 2 / 64 * 100, abs=100)
            taken.append(time.process_time() - began)
        return min(taken)

    assert seconds(1600) < 10 * seconds(400)  # with runs compared in pairs it was 16 times


def test_pictures_of_many_runs_come_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = board_of(tmp_path, ["dmawm"], seeds=64)
    paper = StringIO()
    with LiveView(board, Console(file=paper, force_terminal=True, width=100, height=70)) as view:
        view.tick()
        now, drawn = time.monotonic(), len(paper.getvalue())
        monkeypatch.setattr(time, "monotonic", lambda: now + 0.6)
        view.tick()
        assert len(paper.getvalue()) == drawn
        monkeypatch.setattr(time, "monotonic", lambda: now + 60.0)
        view.tick()
        assert len(paper.getvalue()) > drawn


def test_time_to_go_knows_start_up_what_is_played_already_and_runs_of_other_labels(
    tmp_path: Path,
) -> None:
    board_of(tmp_path, ["dmawm", "qmix"], slots=1, seeds=2)
    write(tmp_path / "dmawm_1", env_steps=200_000, time=time.time() - 100)  # half is played
    board = Board([(row, spec_of(row)) for row in sorted(tmp_path.iterdir())], slots=1)
    dmawm, half, qmix, other = board.rows
    board.started(dmawm, 1)
    write(dmawm, env_steps=10, elapsed_s=40, startup_s=20, eta_s=80)
    board.refresh()
    # 80 s to its end; 20 s of start-up and half of 100 s; twice 120 s, as of all that is known
    assert board.eta() == pytest.approx(80 + 20 + 50 + 2 * 120)
    board.started(qmix, 1)
    write(qmix, env_steps=10, elapsed_s=2, startup_s=1, eta_s=8)
    board.refresh()
    board.slots = 2
    # the slot of qmix falls free after 8 s, plays the half run, and then the other of qmix
    assert board.eta() == pytest.approx(8 + 70 + 10)
    assert other != half


def spec_of(folder: Path) -> RunSpec:
    """The document of a run whose folder has its label and seed for a name."""
    label, seed = folder.name.split("_")
    names = {"suite": "skirmish", "task": "rand_5v5", "algorithm": "dmawm", "label": label}
    return RunSpec(**names, seed=int(seed), run=RunConfig(steps=400_000))


@pytest.mark.parametrize("width", [60, 66, 80])
def test_a_narrow_terminal_keeps_the_name_of_the_algorithm(tmp_path: Path, width: int) -> None:
    spec = RunSpec(
        suite="meltingpot",
        task="prisoners_dilemma_in_the_matrix__arena",
        algorithm="dmawm",
        label="dmawm-q",
        seed=0,
    )
    (tmp_path / "run").mkdir()
    board = Board([(tmp_path / "run", spec)], 1)
    (line,) = [line for line in screen(board, width, 20) if "dmawm" in line]
    assert "dmawm-q " in line
    assert len(line) <= width


def test_the_speed_of_an_earlier_worker_is_not_shown(tmp_path: Path) -> None:
    board = board_of(tmp_path, ["dmawm"])
    (folder,) = board.rows
    write(folder, env_steps=10, eta_s=60, steps_per_s=5, time=time.time() - 100)
    row = board.started(folder, 1)
    assert (row.steps, row.eta, row.progress["steps_per_s"]) == (10, None, None)


def test_a_pipe_gets_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = board_of(tmp_path, ["dmawm"], seeds=2)
    first, second = board.rows
    view = PlainView(board, every=0, look=0)
    view.started(first, 1)
    write(
        first, env_steps=2000, steps_per_s=50.4, eta_s=7960, elapsed_s=40, scores={"return": "3.50"}
    )
    view.tick()
    view.retrying(first, "the worker was killed by SIGKILL (memory?)", 2.0)
    view.started(first, 2)
    view.finished(first, None)
    view.started(second, 1)
    view.finished(second, "ValueError: no")
    assert capsys.readouterr().out.splitlines() == [
        "[0/2] rand_5v5 dmawm seed 0: starts",
        "about 2 h 13 min to the end of all at this speed",
        "[0/2] rand_5v5 dmawm seed 0: 2k of 400k steps, 50/s, 2 h 12 min to go, return 3.50",
        "[0/2] rand_5v5 dmawm seed 0: the worker was killed by SIGKILL (memory?); again in 2 s",
        "[0/2] rand_5v5 dmawm seed 0: goes on at 2k of 400k steps, attempt 2",
        "[1/2] rand_5v5 dmawm seed 0: done in 0 s, return 3.50",
        "[1/2] rand_5v5 dmawm seed 1: starts",
        "[2/2] rand_5v5 dmawm seed 1: failed: ValueError: no",
    ]


def test_a_length_of_no_time_is_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = board_of(tmp_path, ["dmawm"], seeds=2)
    first, second = board.rows
    view = PlainView(board, look=0)
    view.started(first, 1)
    view.started(second, 1)
    write(first, elapsed_s=0.0)
    view.finished(first, None)
    view.tick()
    assert "to the end of all" not in capsys.readouterr().out


def test_a_run_that_another_process_finished_has_no_duration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = board_of(tmp_path, ["dmawm"])
    (folder,) = board.rows
    view = PlainView(board, look=0)
    view.retrying(folder, "being played by another process", 5.0)
    write(folder, env_steps=400_000, scores={"return": "1.00"})
    view.finished(folder, None)
    assert capsys.readouterr().out.endswith("rand_5v5 dmawm seed 0: done, return 1.00\n")


def test_a_pipe_is_told_once_to_what_a_replay_grows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = board_of(tmp_path, ["dmawm", "small", "elsewhere"])
    large, small, silent = board.rows
    view = PlainView(board, look=0)
    for folder in board.rows:
        view.started(folder, 1)
    view.tick()
    write(large, replay_gib=9.81, free_gib=23.04)
    write(small, replay_gib=0.05, free_gib=23.04)
    write(silent, replay_gib=2.0, free_gib=None)
    view.tick()
    view.tick()
    assert capsys.readouterr().out.splitlines()[3:] == [
        "[0/3] rand_5v5 dmawm seed 0: replay grows to 9.8 GiB, 23.0 GiB of memory were free",
        "[0/3] rand_5v5 elsewhere seed 0: replay grows to 2.0 GiB",
    ]


def test_environments_are_told_beside_the_replays_and_count_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = board_of(tmp_path, ["dmawm", "qmix"])
    view = PlainView(board, look=0)
    for folder, replay in zip(board.rows, (2.0, 0.0), strict=True):
        view.started(folder, 1)
        write(folder, replay_gib=replay, copies_gib=16.0, free_gib=30.0)
    view.tick()
    assert capsys.readouterr().out.splitlines()[2:] == [
        "[0/2] rand_5v5 dmawm seed 0: replay grows to 2.0 GiB, environments take 16.0 GiB, "
        "30.0 GiB of memory were free",
        "[0/2] rand_5v5 qmix seed 0: environments take 16.0 GiB, 30.0 GiB of memory were free",
        "WARNING: replay grows to 2.0 GiB, environments take 32.0 GiB, 30.0 GiB of memory were "
        f"free: {REMEDY}",
    ]


def test_what_an_earlier_worker_planned_is_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = board_of(tmp_path, ["dmawm"])
    (folder,) = board.rows
    write(folder, replay_gib=9.8, free_gib=5.0, time=time.time() - 100)
    view = PlainView(board, look=0)
    view.started(folder, 1)
    view.tick()
    assert "GiB" not in capsys.readouterr().out + "\n".join(screen(board, 80, 24))


def test_replays_that_do_not_fit_together_are_warned_of_once_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = board_of(tmp_path, ["dmawm"], slots=3, seeds=4)
    folders = list(board.rows)
    view = PlainView(board, look=0)
    for folder in folders[:3]:
        view.started(folder, 1)
    for folder, free in zip(folders[:2], (20.0, 11.0), strict=True):
        write(folder, replay_gib=9.8, free_gib=free)
    view.tick()
    assert "WARNING" not in capsys.readouterr().out  # the second found the first one's rows
    write(folders[2], replay_gib=9.8, free_gib=10.5)
    view.tick()
    view.tick()
    warnings = [line for line in capsys.readouterr().out.splitlines() if "WARNING" in line]
    assert warnings == [
        "WARNING: 3 replays grow to 29.4 GiB, 20.0 GiB of memory were free: "
        "play fewer at a time (--workers) or set the algorithm's replay_gib lower"
    ]
    view.finished(folders[0], None)
    view.started(folders[3], 1)
    write(folders[3], replay_gib=0.2, free_gib=0.5)
    view.tick()
    assert "WARNING" not in capsys.readouterr().out


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 10)])
def test_a_terminal_shows_to_what_the_replays_grow_and_what_to_do_if_it_is_too_much(
    tmp_path: Path, width: int, height: int
) -> None:
    board = board_of(tmp_path, ["dmawm"], seeds=9)
    first, second, third, *_ = board.rows
    board.started(first, 1)
    write(first, replay_gib=9.8, free_gib=15.0)
    board.refresh()
    text = "  replay grows to 9.8 GiB, 15.0 GiB of memory were free"
    assert screen(board, width, height)[-1].rstrip() == text
    board.started(second, 1)
    write(second, replay_gib=9.8, free_gib=14.0)
    board.started(third, 1)
    board.finished(third, "ValueError: no")
    board.refresh()
    lines = [line.rstrip() for line in screen(board, width, height)]
    assert len(lines) < height
    assert lines[-3] == "! 2 replays grow to 19.6 GiB, 15.0 GiB of memory were free"
    assert lines[-2].startswith("  play fewer at a time (--workers)")
    assert lines[-1].startswith("✗")
