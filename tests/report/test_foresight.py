"""What the report shows of world models, from rows alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marlbench.report import write
from marlbench.store import files
from marlbench.store.folder import picture_file
from tests.report.conftest import Record

HORIZON = 6


def scores(error: float, r2: float | None, coherence: float = 0.5) -> dict[str, Any]:
    """What a row says of a model whose error grows with the steps ahead."""
    ahead = [error * (k + 1) for k in range(HORIZON)]
    band = {"reward_r2": r2, "cont_accuracy": 0.9, "goes_on": 0.8}
    masks = {"avail_accuracy": 0.75, "avail_last_seen": 0.7}
    return {
        "context": 6,
        "horizon": HORIZON,
        "kl": 2.0,
        "observation": {
            "imagined": [ahead, [*ahead[:-1], None]],
            "last_seen": [[2.0] * HORIZON] * 2,
            "mean": [[1.0] * HORIZON] * 2,
        },
        "ahead": [{"first": a, "last": b, **band, **masks} for a, b in ((1, 2), (3, 4), (5, 6))],
        "coherence": {"score": coherence},
    }


def judge(folder: Path, *said: dict[str, Any] | None) -> None:
    """Let the rows of a run say this of its model."""
    rows = files.read_rows(folder / "eval.jsonl")
    for row, each in zip(rows, said, strict=True):
        row["imagination"] = each
    (folder / "eval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def modelled(record: Record, results: Path) -> Path:
    """Two seeds of a learner with a model, one with a picture, and a learner without."""
    for seed in range(2):
        folder = record("dream", seed, [0.0, 0.5])
        judge(folder, scores(9.0, 0.0), scores(0.1 + 0.1 * seed, [0.2, None][seed], 0.4 + seed))
    record("plain", 0, [0.0, 0.4])
    picture = picture_file(results / "skirmish/3m/dream/seed_0", "imagined", 1000)
    picture.parent.mkdir()
    files.replace_png(picture, np.zeros((4, 4, 3), np.uint8))
    return results


def test_means_over_seeds_of_the_last_point_are_shown(modelled: Path, tmp_path: Path) -> None:
    paths = write(modelled, tmp_path / "out")
    page, markdown = paths.page.read_text(), paths.markdown.read_text()
    assert "World models" in page
    assert "World models" in markdown
    (row,) = [line for line in markdown.splitlines() if line.startswith("| skirmish/3m | dream")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    # R2 is known of one seed alone; three bands, then KL, coherence and seeds
    assert cells[2:] == [
        *["0.20"] * 3,
        *["0.90 (0.80)"] * 3,
        *["0.75 (0.70)"] * 3,
        "2.0",
        "0.90",
        "2",
    ]
    assert [
        f"<th scope=col>R2 {a}\N{NON-BREAKING HYPHEN}{a + 1}" in page for a in (1, 3, 5)
    ] == 3 * [True]
    twin = page.split('id="foresight"')[1].split("</figure>")[0]
    # errors 0.1 and 0.2 times the steps ahead; the last step is known of one agent alone
    for k in range(HORIZON):
        assert f"<th scope=row>{k + 1}<td>{0.15 * (k + 1):.4f}<td>2.0000<td>1.0000" in twin
    assert "dream" in twin
    assert "plain" not in twin


def test_the_newest_picture_is_on_the_page_and_beside_it(modelled: Path, tmp_path: Path) -> None:
    paths = write(modelled, tmp_path / "out")
    (picture,) = [path for path in paths.files if path.name.startswith("imagined")]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert paths.page.read_text().count('src="data:image/png;base64,') == 1
    assert f"({picture.name})" in paths.markdown.read_text()


def test_there_is_no_section_where_no_model_was_judged(
    record: Record, results: Path, tmp_path: Path
) -> None:
    record("plain", 0, [0.0, 0.4])
    paths = write(results, tmp_path / "out")
    assert "World models" not in paths.page.read_text()
    assert "World models" not in paths.markdown.read_text()


def test_a_model_without_observations_has_its_row_and_no_figure(
    record: Record, results: Path, tmp_path: Path
) -> None:
    blind = scores(0.1, 0.3) | {"observation": None, "coherence": None, "kl": None}
    judge(record("dream", 0, [0.0, 0.5]), None, blind)
    paths = write(results, tmp_path / "out")
    assert 'id="foresight"' not in paths.page.read_text()
    (row,) = [
        r for r in paths.markdown.read_text().splitlines() if r.startswith("| skirmish/3m | d")
    ]
    assert row.endswith("| — | — | 1 |")


def test_rows_that_say_something_else_cost_the_section_alone(
    record: Record, results: Path, tmp_path: Path
) -> None:
    judge(record("dream", 0, [0.0, 0.5]), None, {"horizon": "none"})
    paths = write(results, tmp_path / "out")
    assert "This section failed" in paths.markdown.read_text()
