"""The section on world models: how well they foresee, and a picture of what they imagine."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.report.caveats import by_task
from marlbench.report.exhibits import Exhibit, Panel, table
from marlbench.report.forest import Said, said_of
from marlbench.report.looks import Look
from marlbench.report.scores import Cell
from marlbench.report.sections import Material, Part, Section
from marlbench.report.svg import Plane, fitted, line, tag, text
from marlbench.store.folder import newest_picture

__all__ = ["section"]

WIDTH, HEIGHT = 460.0, 250.0
SHOWN = 6
"""Pictures at most, so that the page stays small."""
UNBROKEN = "\N{NON-BREAKING HYPHEN}"
"""So that a browser breaks no line within `9-16`."""
GUESSES = {"last_seen": "last seen", "mean": "mean"}
COLUMNS = {
    "reward_r2": "R2",
    "cont_accuracy": "goes on",
    "avail_accuracy": "masks",
}
CAPTION = (
    "Squared error of observations that are imagined, in units of what the agent's mean "
    "observation would get: below 1 the model knows more. Dotted: the last observation seen, in "
    "the same unit. Thin: single agents. Fresh episodes, true actions, z of the prior, at the "
    "last point of the curve; means over seeds. What is above the axis runs along its top."
)


@dataclass(frozen=True)
class _Model:
    """What the models of a label's runs on a task foresee at the last point of their curves."""

    cell: Cell
    rows: Sequence[Mapping[str, Any]]
    """What each run's row says of it."""

    @property
    def horizon(self) -> int:
        """Steps ahead that all runs have."""
        return min(int(row["horizon"]) for row in self.rows)

    def error(self, name: str) -> NDArray[np.float64]:
        """Give the error (A, H) of observations, a mean over runs; NaN where none was seen."""
        each = [np.array(row["observation"][name], np.float64) for row in self.rows]
        return known_mean(np.stack([errors[:, : self.horizon] for errors in each]), 0)

    def ahead(self, name: str) -> Iterator[tuple[str, float]]:
        """Give the bands of steps ahead and a score in each, a mean over runs."""
        for k, band in enumerate(self.rows[0]["ahead"]):
            values = [row["ahead"][k].get(name) for row in self.rows if k < len(row["ahead"])]
            yield f"{band['first']}-{band['last']}", of(values)


def section() -> Section:
    """Give the section; it is empty where no run has a model that was judged."""
    return Section("World models", render)


def render(material: Material, out: Path) -> Part:
    """Write the newest pictures of imagination; give figure, table and pictures."""
    models = list(_models(material.cells))
    if not models:
        return Part("")
    said = said_of(material.cells, material.names)
    pictures = list(_pictures(models, out))
    drawn = [model for model in models if model.rows[0].get("observation")]
    panels = [
        _panel(f"{suite}/{task}", [m for m in drawn if m.cell in row], said)
        for (suite, task), row in by_task([model.cell for model in drawn])
    ]
    figures = [Exhibit("foresight", "Observations foreseen", CAPTION, panels)] if panels else []
    head, rows = _table(models, said)
    page = [
        *(each.html() for each in figures),
        table([each.replace("-", UNBROKEN) for each in head], rows),
        f'<p class="faint">{escape(NOTE)}</p>',
    ]
    page += [_shown(said[model.cell.label][0], model.cell, path) for model, path in pictures]
    lines = [head, ["---"] * len(head), *rows]
    markdown = "\n".join(f"| {' | '.join(row)} |" for row in lines)
    links = [f"![{model.cell.label}, imagined]({path.name})" for model, path in pictures]
    paths = tuple(path for _, path in pictures)
    return Part("\n\n".join([markdown, NOTE, *links]), paths, "".join(page))


NOTE = (
    "At the last point of the curve, by steps ahead. R2 of rewards; accuracy of continuation and "
    "masks, in brackets that of guessing that it goes on and of the last mask seen; KL of the last "
    "step seen, in nats; coherence: the correlation of what another agent's action changes in "
    "imagination with what came, 0 where each agent is foreseen by itself."
)


def _models(cells: Sequence[Cell]) -> Iterator[_Model]:
    """Give the cells whose counted runs have a model that was judged."""
    for cell in cells:
        curves = [run.record.evaluations() for run in cell.counted]
        rows = [rows[-1]["imagination"] for rows in curves if rows and rows[-1].get("imagination")]
        if rows:
            yield _Model(cell, rows)


def known_mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Give the mean along an axis over what is known; NaN where nothing is."""
    known = np.isfinite(values)
    total, number = np.where(known, values, 0.0).sum(axis), known.sum(axis)
    return np.where(number, total / np.maximum(number, 1), np.nan)


def of(values: Sequence[float | None]) -> float:
    """Give the mean of known numbers; NaN where there is none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else np.nan


# ---------------------------------------------------------------------------------------- figure


def _panel(title: str, models: Sequence[_Model], said: Said) -> Panel:
    """One task: error against steps ahead, a group of lines per label."""
    horizon = max(model.horizon for model in models)
    ratios = {model.cell.label: _ratios(model) for model in models}
    highest = max(np.nanmax(each[0]) for each in ratios.values())
    plane = Plane(
        58, WIDTH - 122, 24, HEIGHT - 38, (0, horizon), (0, min(2.0, 1.1 * max(1, highest)))
    )
    parts = [
        plane.axes("steps ahead", "error, of that of the mean"),
        text(title, 58, 13, class_="title"),
    ]
    level = plane.points(plane.x, (1.0, 1.0))
    parts.append(tag("g", tag("polyline", points=level, class_="cursor"), class_="axes"))
    for place, model in enumerate(models):
        name, kind, look = said[model.cell.label]
        among = [each for each, *_ in said.values()]
        at = plane.top + 10 + 14 * place
        written = text(fitted(name, 108, among), plane.right + 14, at, class_="name")
        drawing = _lines(ratios[model.cell.label], plane, look) + written
        own = {"class_": f"label {kind}", "data_label": model.cell.label, "data_name": name}
        parts.append(tag("g", drawing, **own))
    head, rows = _errors(models, said)
    ends = (f"{said[m.cell.label][0]} {np.nanmean(ratios[m.cell.label][0]):.2f}" for m in models)
    summary = (
        f"Error of imagined observations on {title}, mean over steps ahead: {'; '.join(ends)}."
    )
    return Panel(
        f"{title}: observations foreseen", summary, "".join(parts), (WIDTH, HEIGHT), head, rows
    )


def _ratios(model: _Model) -> tuple[NDArray[np.float64], ...]:
    """The error of imagination (H,), of the last seen observation (H,), of single agents (A, H)."""
    mean = model.error("mean")
    level = known_mean(mean, 0)
    imagined, last = model.error("imagined"), model.error("last_seen")
    with np.errstate(divide="ignore", invalid="ignore"):
        return known_mean(imagined, 0) / level, known_mean(last, 0) / level, imagined / mean


def _lines(ratios: tuple[NDArray[np.float64], ...], plane: Plane, look: Look) -> str:
    mean, last, agents = ratios
    inner = "".join(_polyline(plane, each, class_="seed") for each in agents)
    inner += _polyline(plane, last, class_="leader", stroke_dasharray="2 3")
    known = np.flatnonzero(np.isfinite(mean))
    points = plane.points((known + 1).tolist(), mean[known].tolist())
    return inner + line(points, look, class_="mean")


def _polyline(plane: Plane, values: NDArray[np.float64], **attributes: object) -> str:
    known = np.flatnonzero(np.isfinite(values))
    return tag(
        "polyline", points=plane.points((known + 1).tolist(), values[known].tolist()), **attributes
    )


def _errors(models: Sequence[_Model], said: Said) -> tuple[list[str], list[list[str]]]:
    """The table of a panel: errors as they are, a row per step ahead."""
    head, columns = ["steps ahead"], []
    for model in models:
        for name, told in {"imagined": "imagined", **GUESSES}.items():
            head.append(f"{said[model.cell.label][0]}, {told}")
            columns.append(known_mean(model.error(name), 0))
    steps = range(max(len(column) for column in columns))
    rows = [
        [f"{k + 1}", *(_number(c[k] if k < len(c) else np.nan, 4) for c in columns)] for k in steps
    ]
    return head, rows


# ---------------------------------------------------------------------------------------- table


def _table(models: Sequence[_Model], said: Said) -> tuple[list[str], list[list[str]]]:
    bands = [band for band, _ in models[0].ahead("reward_r2")][:4]
    head = ["task", "label"]
    head += [f"{told} {band}" for told in COLUMNS.values() for band in bands]
    head += ["KL", "coherence", "seeds"]
    return head, [_row(model, said, len(bands)) for model in models]


BESIDE = {"cont_accuracy": "goes_on", "avail_accuracy": "avail_last_seen"}


def _row(model: _Model, said: Said, bands: int) -> list[str]:
    cell = model.cell
    row = [f"{cell.suite}/{cell.task}", said[cell.label][0]]
    for name in COLUMNS:
        scores = [score for _, score in model.ahead(name)][:bands]
        beside = [score for _, score in model.ahead(BESIDE[name])][:bands] if name in BESIDE else []
        for k, score in enumerate(scores):
            guess = f" ({_number(beside[k], 2)})" if beside else ""
            row.append(_number(score, 2) + guess)
        row += [""] * (bands - len(scores))
    coherence = [(each.get("coherence") or {}).get("score") for each in model.rows]
    kl = of([each.get("kl") for each in model.rows])
    return [*row, _number(kl, 1), _number(of(coherence), 2), str(len(model.rows))]


def _number(value: float, digits: int) -> str:
    return f"{value:z.{digits}f}" if np.isfinite(value) else "—"


# ---------------------------------------------------------------------------------------- pictures


def _pictures(models: Sequence[_Model], out: Path) -> Iterator[tuple[_Model, Path]]:
    """Copy the newest picture of the first run of each model, as far as they are shown."""
    there = [
        (model, found)
        for model in models
        if (found := newest_picture(model.cell.counted[0].record.folder, "imagined"))
    ]
    for number, (model, found) in enumerate(there[:SHOWN]):
        path = out / f"imagined-{number}.png"
        shutil.copyfile(found, path)
        yield model, path


def _shown(name: str, cell: Cell, path: Path) -> str:
    """A picture on the page, within it."""
    data = base64.b64encode(path.read_bytes()).decode()
    said = f"{name} on {cell.suite}/{cell.task}: what came, and below it what was imagined"
    image = f'<img src="data:image/png;base64,{data}" alt="{escape(said)}" style="max-width:100%">'
    caption = "Columns are steps, first the last one that the model sees, then steps ahead."
    return tag("figure", image + tag("figcaption", f"<b>{escape(said)}.</b> {caption}"))
