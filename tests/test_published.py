"""The published tables are what `marlbench report` makes of the files beside them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from marlbench import store
from marlbench.report.scores import cells
from marlbench.report.sections import Material
from marlbench.report.tables import render

TABLES = sorted((Path(__file__).parents[1] / "docs" / "results").glob("*/table.csv"))


def test_tables_are_published() -> None:
    assert TABLES


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.parent.name)
def test_a_report_of_the_published_runs_shows_the_published_table(
    table: Path, tmp_path: Path
) -> None:
    render(Material(table.parent, cells(store.runs(table.parent))), tmp_path)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), pd.read_csv(table))
    assert (tmp_path / "table.md").read_text() == table.with_suffix(".md").read_text()
