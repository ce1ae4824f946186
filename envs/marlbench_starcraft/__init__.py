"""StarCraft II micromanagement: SMAC and SMACv2, each through the package of its authors.

SMAC: Samvelyan et al. 2019, arXiv:1902.04043. SMACv2: Ellis et al. 2023, arXiv:2212.07489.
"""

from __future__ import annotations

from collections.abc import Iterable

from marlbench.plugin import Env, Finding, Suite, hookimpl
from marlbench_starcraft.config import Config
from marlbench_starcraft.tasks import (
    SMAC_MAPS,
    SMAC_PAPER,
    SMACV2_PAPER,
    SMACV2_TASKS,
    Order,
    smac_order,
    smacv2_order,
)

marlbench_api = 2

LIBRARIES = ("pysc2", "s2clientprotocol")


def build(task: str, config: Config) -> Env:
    """Give one copy of a map of SMAC; the package is imported in the copy's own process."""
    return battle(smac_order(task, config), config)


def build_v2(task: str, config: Config) -> Env:
    """Give one copy of a battle of SMACv2; the package is imported in the copy's own process."""
    return battle(smacv2_order(task, config), config)


def battle(order: Order, config: Config) -> Env:
    """Start the process of a copy; RuntimeError with the remedy if the package is not there."""
    from marlbench_starcraft.env import Battle
    from marlbench_starcraft.packages import lack

    if wrong := lack(order.package):
        raise RuntimeError(wrong)
    return Battle(order, config)


def examine() -> Iterable[Finding]:
    """Look at what `smac` needs."""
    from marlbench_starcraft.examine import examine_smac

    return examine_smac()


def examine_v2() -> Iterable[Finding]:
    """Look at what `smacv2` needs."""
    from marlbench_starcraft.examine import examine_smacv2

    return examine_smacv2()


def trial() -> Finding:
    """Play `3m`."""
    from marlbench_starcraft.examine import episodes

    return episodes(smac_order("3m", Config()))


def trial_v2() -> Finding:
    """Play `terran_5_vs_5`."""
    from marlbench_starcraft.examine import episodes

    return episodes(smacv2_order("terran_5_vs_5", Config()))


@hookimpl
def marlbench_suites() -> Iterable[Suite]:
    """Offer `smac` and `smacv2`."""
    return [
        Suite(
            "smac",
            SMAC_MAPS,
            build,
            default_task="3s5z",
            config=Config,
            paper_tasks=SMAC_PAPER,
            requires=("smac", *LIBRARIES),
            examine=examine,
            trial=trial,
        ),
        Suite(
            "smacv2",
            SMACV2_TASKS,
            build_v2,
            default_task=SMACV2_PAPER[0],
            config=Config,
            paper_tasks=SMACV2_PAPER,
            requires=("smacv2", *LIBRARIES),
            examine=examine_v2,
            trial=trial_v2,
        ),
    ]
