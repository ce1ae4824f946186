"""The published tables are what `marlbench report` makes of the files beside them.

The published settings are read by today's configs, whatever a setting was called then.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from marlbench import store
from marlbench.host import load_catalogue
from marlbench.report.scores import cells, read_runs
from marlbench.report.sections import Material
from marlbench.report.tables import render

TABLES = sorted((Path(__file__).parents[1] / "docs" / "results").glob("*/table.csv"))


def test_tables_are_published() -> None:
    assert TABLES


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.parent.name)
def test_a_report_of_the_published_runs_shows_the_published_table(
    table: Path, tmp_path: Path
) -> None:
    render(Material(table.parent, cells(read_runs(table.parent))), tmp_path)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), pd.read_csv(table))
    assert (tmp_path / "table.md").read_text() == table.with_suffix(".md").read_text()


REGROUPED = ("mamba", "mappo", "mat", "mbvd", "qmix")
"""Learners whose settings have been renamed, or moved to where learners share them."""


@pytest.mark.parametrize("name", REGROUPED)
def test_published_settings_are_read_by_todays_config(name: str) -> None:
    entry = load_catalogue().algorithm(name)
    records = [record for table in TABLES for record in store.runs(table.parent)]
    stored = [record.spec for record in records if record.spec.algorithm == name]
    assert stored
    for spec in stored:
        then, now = spec.algorithm_config, entry.config.model_validate(spec.algorithm_config)
        today = {entry.config.former_names.get(key, key): value for key, value in then.items()}
        found = {key: now.model_dump(mode="json")[key] for key in today}
        words = {"slow": "target", "live": "online"}  # what MBVD's `history` was called
        assert found == {key: words.get(str(value), value) for key, value in today.items()}


def test_a_former_name_beside_todays_is_refused() -> None:
    config = load_catalogue().algorithm("mat").config
    assert config.model_validate({"lr": 0.5}).model_dump()["learning_rate"] == 0.5
    with pytest.raises(ValueError, match="lr\n  Extra inputs are not permitted"):
        config.model_validate({"lr": 0.5, "learning_rate": 0.1})
