"""The self-test disturbs real grids, and would see a row that is not as it should be."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from marlbench import store
from marlbench.chaos import damage, inside, trial
from marlbench.chaos.faults import KILLS, OTHERS
from marlbench.chaos.selftest import SelfTest, require_reproducible
from marlbench.chaos.trial import Disturbance
from marlbench.cli import app
from marlbench.errors import UserError
from marlbench.exit_codes import ExitCode
from tests.training.small_runs import StopAfter, play, rows, small_spec


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A finished run, and the same one that was interrupted beyond its second checkpoint."""
    whole, half = (
        store.create(tmp_path_factory.mktemp(name), small_spec()) for name in ("whole", "half")
    )
    assert play(small_spec(), whole) == ExitCode.OK
    assert play(small_spec(), half, stop=StopAfter(90)) == ExitCode.INTERRUPTED
    assert len(list((half / "checkpoint").glob("*.json"))) == 2
    return whole, half


@pytest.mark.parametrize("kind", damage.DAMAGES)
def test_a_damaged_run_goes_on_to_the_very_rows(
    pair: tuple[Path, Path], tmp_path: Path, kind: str
) -> None:
    whole, half = pair
    draws = random.Random(kind)
    for number in range(2):
        folder = tmp_path / str(number)
        shutil.copytree(half, folder)
        path = draws.choice(damage.candidates(folder))
        damage.DAMAGES[kind](path, draws)
        assert play(small_spec(), folder) == ExitCode.OK, path.name
        for name in ("eval.jsonl", "train.jsonl"):
            assert rows(folder / name) == rows(whole / name), path.name


def test_a_row_that_differs_is_seen(pair: tuple[Path, Path], tmp_path: Path) -> None:
    whole, _ = pair
    results = whole.parents[3]
    other = tmp_path / "other"
    shutil.copytree(results, other)
    same, different = Disturbance(), Disturbance()
    trial.compare(results, other, same)
    file = next(other.glob("*/*/*/*/train.jsonl"))
    file.write_text(file.read_text().replace('"episodes": 0', '"episodes": 1', 1))
    trial.compare(results, other, different)
    assert (same.wrong, different.wrong) == ([], [str(file)])
    assert same.compared == sum(len(rows(whole / n)) for n in ("eval.jsonl", "train.jsonl"))
    assert any(line.startswith("FAIL") for line in different.lines())


def test_every_kill_is_spread_over_the_steps_and_every_fault_may_come() -> None:
    assert trial.schedule(200, 9000)[-1] < 9000
    assert len(trial.schedule(200, 9000)) == 250  # one in five is no kill
    assert all(weight > 0 for weight, _ in [*KILLS.values(), *OTHERS.values()])
    assert {f"worker {name}" for name in inside.FAULTS} <= OTHERS.keys()
    grids = SelfTest(["a", "b", "c"], ["s", "t", "u"], runs=30, kills=200).grids()
    assert sum(3 * seeds for _, seeds, _ in grids) == 30
    assert sum(kills for *_, kills in grids) == 200


def test_a_suite_whose_seeds_decide_nothing_is_refused(tmp_path: Path) -> None:
    journal = store.Journal(store.create(tmp_path, small_spec()))
    require_reproducible("synthetic", tmp_path)
    journal.append_event("not_reproducible")
    journal.close()
    with pytest.raises(UserError, match="synthetic: equal seeds begin other episodes here"):
        require_reproducible("synthetic", tmp_path)


@pytest.mark.slow
def test_a_disturbed_grid_has_the_rows_of_one_that_nobody_disturbed(tmp_path: Path) -> None:
    asked = ["selftest", "--chaos", "--algo", "ippo", "--suite", "probe", "--runs", "2"]
    done = CliRunner().invoke(app, [*asked, "--kills", "12", "--keep", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "12 kills: " in done.output
    assert "all as in the runs that nobody disturbed" in done.output
