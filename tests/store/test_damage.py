"""Whatever a file of one run turns into, the others are read, and one line says what is wrong."""

from __future__ import annotations

import os
import random
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from marlbench import store
from marlbench.grid.status import overview
from marlbench.report import tables
from marlbench.report.page import write
from marlbench.report.scores import cells, read
from marlbench.report.sections import Material
from marlbench.store import tidy
from tests.training.small_runs import play, small_spec

SEEDS = (1, 2)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with two finished runs."""
    results = tmp_path_factory.mktemp("finished")
    for seed in SEEDS:
        spec = small_spec(steps=100, seed=seed)
        assert play(spec, store.create(results, spec)) == 0
    return results


Damage = Callable[[Path], None]


def replaced(text: str) -> Damage:
    """Other content in its place."""

    def damage(path: Path) -> None:
        path.write_text(text)

    return damage


def shortened(share: float) -> Damage:
    """Cut to a share of its bytes."""
    return lambda path: os.truncate(path, int(share * path.stat().st_size))


def flipped(seed: int) -> Damage:
    """One bit in the other state, somewhere."""

    def flip(path: Path) -> None:
        content, draws = bytearray(path.read_bytes()), random.Random(seed)
        if content:
            content[draws.randrange(len(content))] ^= 1 << draws.randrange(8)
        path.write_bytes(content)

    return flip


def another(make: Callable[[Path], object]) -> Damage:
    """Something that is no file in its place."""

    def put(path: Path) -> None:
        path.unlink()
        make(path)

    return put


DAMAGES: dict[str, Damage] = {
    **{f"cut to {share}": shortened(share) for share in (0, 0.3, 0.9)},
    **{f"bit {seed}": flipped(seed) for seed in range(6)},
    **{
        f"says {text[:30]!r}": replaced(text)
        for text in (
            *("{}\n", "null\n", "[1]\n", "{}", "\n", "\0" * 64 + "\n", "7\n", "\xff\n"),
            *('{"step": "1"}\n', '{"event": 3}\n', '{"reason": ["x"], "time": null}\n'),
            *(
                '{"env": {"metrics": [{"digits": "9"}]}}\n',
                '{"env": 3, "execution": "\\\\input"}\n',
            ),
            *("[" * 100_000 + "\n", '{"step": 1e999, "metrics": {"return": NaN}}\n'),
            *('{"format": 1}\n', '{"format": 1, "origins": [1], "label": {}}\n'),
            '{"step": 99999999999999999999999, "metrics": {}, "env_steps": -1}\n',
        )
    },
    "missing": Path.unlink,
    "a folder": another(Path.mkdir),
    "a pipe": another(os.mkfifo),
    "a link to nothing": another(lambda path: path.symlink_to("nowhere")),
    "a link to itself": another(lambda path: path.symlink_to(path.name)),
}
FILES = (
    *("spec.json", "provenance.json", "progress.json", "eval.jsonl", "train.jsonl"),
    *("events.jsonl", "DONE", "FAILED", "attempts/1", "attempts/2"),
)


def damaged(finished: Path, results: Path, name: str, damage: Damage) -> Path:
    """Copy the finished runs, and damage a file of the first."""
    shutil.copytree(finished, results)
    folder = store.run_folder(results, small_spec(steps=100, seed=SEEDS[0]))
    path = folder / name
    if not path.exists():  # a failure, or a second attempt
        path.write_text('{"reason": "no"}')
    damage(path)
    return folder


def facts(table: pd.DataFrame) -> str:
    """The rows of the run that was left alone, as text."""
    return str(table[table["seed"] == SEEDS[1]].drop(columns="folder").to_dict("records"))


@pytest.mark.parametrize("name", FILES)
def test_one_damaged_file_never_hides_another_run_nor_changes_rows_in_silence(
    finished: Path, tmp_path: Path, name: str
) -> None:
    whole = {r.spec.seed: r.evaluations() for r in store.runs(finished)}
    rows, updates = (
        facts(tidy.evaluations(store.runs(finished))),
        facts(tidy.training(store.runs(finished))),
    )
    for number, (kind, damage) in enumerate(DAMAGES.items()):
        results = tmp_path / str(number)
        damaged(finished, results, name, damage)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            records = store.runs(results)
        said = [str(warning.message) for warning in caught]
        assert len(said) == 2 - len(records), f"{kind}: {said}"
        assert all("\n" not in line and " is left out, " in line for line in said), kind
        for record in records:
            assert record.evaluations() == whole[record.spec.seed], kind
        assert SEEDS[1] in [record.spec.seed for record in records], kind
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert any(f"seed {SEEDS[1]}" in line for line in overview(results)), kind
            assert facts(tidy.evaluations(store.runs(results))) == rows, kind
            assert facts(tidy.training(store.runs(results))) == updates, kind
            out = tmp_path / f"{number}-out"
            out.mkdir()
            tables.render(Material(results, cells(map(read, records))), out)
        shutil.rmtree(results)


@pytest.mark.parametrize("name", ["spec.json", "eval.jsonl"])
@pytest.mark.filterwarnings("ignore:.*is left out")
def test_the_report_is_written_beside_a_damaged_run(
    finished: Path, tmp_path: Path, name: str
) -> None:
    damaged(finished, tmp_path / "results", name, DAMAGES["says '{}\\n'"])
    page = write(tmp_path / "results", tmp_path / "out").page
    assert "linear" in page.read_text()


@pytest.mark.parametrize("moment", ['"2026-11-29T18:31:69+00:00"', '"2026-11-29T18:31:09"', "7"])
@pytest.mark.parametrize("name", ["events.jsonl", "eval.jsonl"])
def test_a_time_that_is_none_is_found(
    finished: Path, tmp_path: Path, name: str, moment: str
) -> None:
    def no_time(path: Path) -> None:
        path.write_text(re.sub(r'"time": ?"[^"]*"', f'"time": {moment}', path.read_text(), count=1))

    damaged(finished, tmp_path / "results", name, no_time)
    with pytest.warns(UserWarning, match=rf" is left out, .*{name}, row 1: wall.time: "):
        (record,) = store.runs(tmp_path / "results")
    assert record.spec.seed == SEEDS[1]
