"""How fast a label learns: the area under its curves and the env steps to a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from marlbench.report.scores import Cell
from marlbench.report.statistics import (
    FRACTIONS,
    SampleEfficiency,
    area_under_curve,
    sample_efficiency,
    thresholds,
)

__all__ = ["area", "numbers", "to_thresholds"]


def area(cell: Cell) -> float | None:
    """Give the mean over counted runs of the area under the curve, None where there is none."""
    curves = [run.curve(cell.metric) for run in cell.counted]
    areas = [area_under_curve(curve.steps, curve.values) for curve in curves]
    known = [each for each in areas if each is not None]
    return float(np.mean(known)) if known else None


def to_thresholds(cell: Cell) -> tuple[SampleEfficiency, ...]:
    """Give env steps to 25, 50 and 75 % of the declared bounds; none where none are declared.

    Where lower is better, a seed is there once its curve is at or below the threshold.
    """
    if cell.bounds is None or not cell.counted:
        return ()
    sign = 1 if cell.metric.higher_is_better else -1
    low, high = cell.bounds
    ends = (low, high) if sign > 0 else (-high, -low)
    curves = [(c.steps, sign * c.values) for c in (run.curve(cell.metric) for run in cell.counted)]
    found = (sample_efficiency(curves, each) for each in thresholds(ends))
    return tuple(SampleEfficiency(sign * each.threshold, each.steps) for each in found)


def numbers(cell: Cell) -> dict[str, Any]:
    """Its columns of `table.csv`; an empty number of steps is `never`, by half of the seeds."""
    found: dict[str, Any] = {"area": area(cell)}
    for fraction, each in zip(FRACTIONS, to_thresholds(cell), strict=False):
        name = f"steps_to_{fraction:.0%}".replace("%", "")
        found |= {name: each.median, f"{name}_seeds": each.reached}
    return found
