"""What the suite's page says of the paper's substrates: `python -m marlbench_meltingpot.measure`.

Prints returns of uniform play and seconds; `--pictures FOLDER` draws what is seen instead.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from marlbench_meltingpot.config import Config
from marlbench_meltingpot.env import MeltingPot
from marlbench_meltingpot.tasks import PAPER

EPISODES, MOMENT = 10, 60


def main(arguments: list[str]) -> None:
    """Measure both, or draw both."""
    for task in PAPER:
        if arguments:
            draw(task, Path(arguments[1]) / f"meltingpot-{task}.png")
        else:
            measure(task)


def measure(task: str) -> None:
    """Print returns, summed over agents, and processor seconds of episodes of uniform play."""
    env, draws, returns = MeltingPot(task, Config()), np.random.default_rng(0), []
    begun = played = 0.0
    for seed in range(EPISODES):
        start = time.process_time()
        step, total = env.reset(seed), 0.0
        middle = time.process_time()
        while not step.last:
            step = env.step(draws.integers(env.spec.num_actions, size=env.spec.num_agents))
            total += float(step.reward.sum())
        begun, played = begun + middle - start, played + time.process_time() - middle
        returns.append(total)
    error = np.std(returns, ddof=1) / np.sqrt(EPISODES)
    steps = EPISODES * env.spec.episode_limit / played
    print(f"{task}: {env.spec.simulator}")
    print(f"  return {np.mean(returns):.1f} (standard error {error:.1f}) over {EPISODES} episodes")
    print(f"  reset {begun / EPISODES:.2f} s, {steps:.0f} steps per second")


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
    main(sys.argv[1:])
