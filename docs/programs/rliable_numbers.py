"""Numbers of rliable for the golden tests of `marlbench.report.aggregates`; needs no marlbench.

It is no part of `marlbench bench`: it compares with another library, whose
environment cannot be ours. rliable pins pandas below 3 and arch below 8:

    python3 -m venv rliable && rliable/bin/pip install rliable==1.2.0 "pandas<3" "arch<8"
    rliable/bin/python docs/programs/rliable_numbers.py > tests/report/rliable.json
"""

import json
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rliable import library, metrics

TAUS = [-0.1, 0.0, 0.25, 0.5, 0.75, 1.0, 1.2]
DRAWS = 20_000
"""Of the bootstrap: its percentiles then move by less than 0.01 of an interval's width."""
FOUR = {
    "iqm": metrics.aggregate_iqm,
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "optimality_gap": metrics.aggregate_optimality_gap,
}


def made_up_scores() -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Per case the scores of two labels, each (runs, tasks): shapes, ties, outliers, no spread."""
    rng = np.random.default_rng(20210813)
    level = rng.uniform(0.1, 0.9, 6)
    return {
        "five runs, six tasks": (rng.normal(level, 0.1, (5, 6)), rng.normal(level, 0.2, (5, 6))),
        "other numbers of runs": (rng.random((3, 4)), rng.random((10, 4))),
        "one task": (rng.random((10, 1)), rng.random((10, 1)) ** 2),
        "ties of 32 episodes": (
            rng.binomial(32, 0.9, (5, 5)) / 32,
            rng.binomial(32, 0.9, (5, 5)) / 32,
        ),
        "outliers, above 1 and below 0": (rng.standard_cauchy((5, 8)), rng.standard_cauchy((5, 8))),
        "all at bounds": (np.ones((5, 3)), np.zeros((5, 3))),
        "equal": (np.full((4, 3), 0.5), np.full((4, 3), 0.5)),
        "seven runs: quarters of 35 are no whole runs": (rng.random((7, 5)), rng.random((7, 5))),
    }


def estimates(x: NDArray[np.float64], y: NDArray[np.float64]) -> dict[str, Any]:
    """Point estimates of X, and of X against Y."""
    return {
        **{name: float(function(x)) for name, function in FOUR.items()},
        "profile": library.score_distributions(x, TAUS).tolist(),
        "improvement": float(metrics.probability_of_improvement(x, y)),
    }


def intervals(x: NDArray[np.float64], y: NDArray[np.float64]) -> dict[str, list[float]]:
    """The four aggregates' 95 % intervals, and that of the probability of improvement."""
    found = {}
    for name, function in FOUR.items():
        _, ends = library.get_interval_estimates(
            {"x": x}, function, reps=DRAWS, random_state=np.random.RandomState(0)
        )
        found[name] = ends["x"][:, 0].tolist()
    _, ends = library.get_interval_estimates(
        {"x,y": (x, y)},
        metrics.probability_of_improvement,
        reps=2000,
        random_state=np.random.RandomState(0),
    )
    return found | {"improvement": ends["x,y"][:, 0].tolist()}


def main() -> None:
    """Print the document that the tests read."""
    cases = made_up_scores()
    document = {
        "versions": {name: version(name) for name in ("rliable", "numpy", "scipy", "arch")},
        "taus": TAUS,
        "cases": [
            {"case": case, "x": x.tolist(), "y": y.tolist()} | estimates(x, y)
            for case, (x, y) in cases.items()
        ],
        "intervals": intervals(*cases["five runs, six tasks"]),
    }
    print(json.dumps(document).replace('{"case"', '\n{"case"'))  # a case per line


if __name__ == "__main__":
    main()
