"""What tasks ask their packages for: names, sizes, configurations that nobody shares."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from typing import Any

import pytest
from standin_of_packages import STANDIN, smac, smacv2

from marlbench.metrics import win_rate
from marlbench.plugin import Env
from marlbench_starcraft import build, build_v2, marlbench_suites
from marlbench_starcraft.config import Config
from marlbench_starcraft.packages import lack
from marlbench_starcraft.tasks import (
    SMAC_MAPS,
    SMACV2_TASKS,
    Package,
    smac_order,
    smacv2_order,
)

SMAC_SIZES = {
    "2c_vs_64zg": (2, 70, 332, 342, 400),
    "3s5z": (8, 14, 128, 216, 150),
    "25m": (25, 31, 250, 950, 150),
    "corridor": (6, 30, 156, 282, 400),
    "MMM2": (10, 18, 176, 322, 180),
    "2s_vs_1sc": (2, 7, 17, 27, 300),
}
SMACV2_SIZES = {
    "protoss_5_vs_5": (5, 11, 92, 130, 200),
    "terran_5_vs_5": (5, 11, 82, 120, 200),
    "zerg_10_vs_11": (10, 17, 170, 306, 200),
    "protoss_20_vs_23_epo": (20, 29, 389, 901, 200),
}
"""Agents, actions, observation, state, limit: as the real packages gave them."""

TASKS = pytest.mark.parametrize(
    ("make", "task", "sizes"),
    [(smac, *item) for item in SMAC_SIZES.items()]
    + [(smacv2, *item) for item in SMACV2_SIZES.items()],
)


@pytest.fixture
def _packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(STANDIN))


@pytest.fixture(autouse=True)
def _no_game(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SC2PATH", "/nowhere")


def sizes_of(env: Env) -> tuple[int, ...]:
    """Give agents, actions, observation, state, limit, and close."""
    spec = env.spec
    env.close()
    assert spec.state_shape is not None
    widths = (*spec.obs_shape, *spec.state_shape)
    return (spec.num_agents, spec.num_actions, *widths, spec.episode_limit)


@pytest.mark.usefixtures("_packages")
@TASKS
def test_a_task_has_the_sizes_of_its_package(make: Any, task: str, sizes: tuple[int, ...]) -> None:
    assert sizes_of(make(task)) == sizes


@TASKS
def test_the_real_package_gives_these_sizes(make: Any, task: str, sizes: tuple[int, ...]) -> None:
    if wrong := lack(make.__name__):
        pytest.skip(wrong)
    assert sizes_of(make(task)) == sizes


@pytest.mark.usefixtures("_packages")
def test_the_spec_says_what_holds_for_every_battle() -> None:
    env = smac()
    env.close()
    assert (env.spec.noop, env.spec.reward, env.spec.metrics[0]) == (0, "team", win_rate())
    package, game = env.spec.simulator.split(", ")
    assert package.split()[0] == "smac"  # the version follows where a package was installed
    assert game == "StarCraft II not found"


def test_the_papers_tasks_come_first_and_are_what_the_paper_preset_plays() -> None:
    one, two = marlbench_suites()
    assert one.tasks[:5] == one.paper_tasks == ("2c_vs_64zg", "3s5z", "25m", "corridor", "MMM2")
    assert two.tasks[:3] == two.paper_tasks == ("protoss_5_vs_5", "terran_5_vs_5", "zerg_5_vs_5")
    assert (len(set(one.tasks)), len(set(two.tasks))) == (23, 30)


def test_an_unknown_task_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="no map '3n'; it has 2c_vs_64zg, 3s5z"):
        build("3n", Config())
    with pytest.raises(ValueError, match="no task 'protoss'; it has protoss_5_vs_5"):
        build_v2("protoss", Config())


def test_extended_partial_observability_changes_two_arguments() -> None:
    plain, epo = (smacv2_order(f"zerg_5_vs_5{end}", Config()).arguments for end in ("", "_epo"))
    changed = {key: (plain[key], epo[key]) for key in plain if plain[key] != epo[key]}
    assert changed == {"prob_obs_enemy": (1.0, 0.0), "action_mask": (True, False)}


@pytest.mark.usefixtures("_packages")
def test_a_package_that_changes_its_configuration_changes_a_copy() -> None:
    order = smacv2_order("terran_5_vs_5", Config())
    before = deepcopy(order)
    script = (
        f"import sys; sys.path[:0] = [{str(STANDIN)!r}]\n"
        "from marlbench_starcraft.config import Config\n"
        "from marlbench_starcraft.game import Game\n"
        "from marlbench_starcraft.tasks import smacv2_order\n"
        "order = smacv2_order('terran_5_vs_5', Config())\n"
        "Game(order); print(order.arguments)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(before.arguments)


@pytest.mark.parametrize(("package", "tasks"), [("smac", SMAC_MAPS), ("smacv2", SMACV2_TASKS)])
def test_the_real_package_knows_every_task(package: Package, tasks: tuple[str, ...]) -> None:
    if wrong := lack(package):
        pytest.skip(wrong)
    script = (
        f"from {package}.env.starcraft2.maps.smac_maps import get_smac_map_registry\n"
        "print(*get_smac_map_registry())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
    )
    known = set(done.stdout.splitlines()[-1].split())
    order = smac_order if package == "smac" else smacv2_order
    asked = {order(task, Config()).arguments["map_name"] for task in tasks}
    assert asked <= known
    if package == "smac":
        assert asked == known
