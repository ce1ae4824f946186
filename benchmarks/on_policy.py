"""Seconds of a MAPPO and of a MAT update (8 x 400 steps x 5 agents, 5 epochs), of a policy step.

`python benchmarks/on_policy.py`: one thread, warm, medians.
"""

import itertools

from battle import SPEC, battle, median_seconds, prepare

from marlbench_mappo.agent import Mappo
from marlbench_mappo.config import MappoConfig
from marlbench_mat.agent import Mat
from marlbench_mat.config import MatConfig


def fill(agent: Mappo | Mat) -> None:
    """Show steps until the next `update` learns."""
    steps = battle(agent.config.num_envs)
    memory = agent.start(agent.config.num_envs)
    while not agent.rollout.ready:
        step = next(steps)
        actions, memory = agent.act(step, memory, explore=True)
        agent.observe(step, actions)


def update_seconds(agent: Mappo | Mat, repeats: int) -> tuple[float, float]:
    """Median CPU and wall seconds of `update`, without the playing between."""
    seconds = []
    for _ in range(repeats):
        fill(agent)
        seconds.append(median_seconds(agent.update, repeats=1, warm=0))
    middle = sorted(seconds[1:])[len(seconds[1:]) // 2]  # the first is for warming up
    return middle


def step_seconds(agent: Mappo | Mat, num_envs: int, repeats: int) -> tuple[float, float]:
    """Median CPU and wall seconds of `act` and `observe`'s share that depends on copies."""
    steps = list(itertools.islice(battle(num_envs), 50))
    turn = itertools.cycle(steps)
    memory = agent.start(num_envs)
    return median_seconds(lambda: agent.act(next(turn), memory, explore=True), repeats, warm=50)


def measure(name: str, agent: Mappo | Mat) -> None:
    """Print a learner's rows."""
    print(f"{name:<24}{'cpu s':>12}{'wall s':>12}")
    print("{:<24}{:>12.4f}{:>12.4f}".format("update 8x400x5", *update_seconds(agent, 6)))
    for num_envs in (1, 8):
        row = f"policy step, {num_envs} copies"
        print("{:<24}{:>12.6f}{:>12.6f}".format(row, *step_seconds(agent, num_envs, 500)))


def main() -> None:
    """Print a table of both."""
    prepare()
    measure("mappo", Mappo(MappoConfig(), SPEC, seed=0, device="cpu"))
    measure("mat", Mat(MatConfig(), SPEC, seed=0, device="cpu"))


if __name__ == "__main__":
    main()
