"""Draws what agents of the paper's substrates see, for the suite's page.

`python docs/programs/meltingpot_views.py FOLDER`: a picture of each substrate.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from marlbench_meltingpot.config import Config
from marlbench_meltingpot.env import MeltingPot
from marlbench_meltingpot.tasks import PAPER

MOMENT = 60
"""Env steps of random play before what is drawn."""


def draw(task: str, file: Path) -> None:
    """Draw the map, what Melting Pot shows an agent, and what learners are given of it."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    views = {}
    for image in ("full", "half"):
        env, draws = MeltingPot(task, Config(image=image)), np.random.default_rng(4)
        step = env.reset(4)
        for _ in range(MOMENT):
            step = env.step(draws.integers(env.spec.num_actions, size=env.spec.num_agents))
        views[image] = step.obs[0]
    figure, (world, full, half) = pyplot.subplots(1, 3, figsize=(10, 3.7), layout="constrained")
    for axes, picture, title in (
        (world, env.picture(), "the map (nobody sees it)"),
        (full, views["full"], "agent 1, 88 x 88"),
        (half, views["half"], "agent 1 as learners get it, 44 x 44"),
    ):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.axis("off")
    figure.savefig(file, dpi=100)
    print(file)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("meltingpot_views.py FOLDER: where do the pictures go?")
    for substrate in PAPER:
        draw(substrate, Path(sys.argv[1]) / f"meltingpot-{substrate}.png")
