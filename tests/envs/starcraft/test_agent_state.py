"""The agent-specific state: by hand for a small battle, and as the public reference computes it.

`tests/oracles/starcraft_agent_state.npz` holds moments of battles of the real SMAC on the stand-in
game, with what on-policy's `get_state_agent` (commit de66d7a) gave for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from standin_of_packages import STANDIN, play, smac, smacv2, walk

from marlbench.plugin import Env
from marlbench.vecenv.checks import check_step
from marlbench.vecenv.synchronous import SyncVectorEnv
from marlbench_mappo.agent import Mappo
from marlbench_mappo.config import MappoConfig
from marlbench_starcraft import build
from marlbench_starcraft.agent_state import agent_states, size
from marlbench_starcraft.config import Config
from marlbench_starcraft.packages import lack

ORACLE = Path(__file__).parents[2] / "oracles" / "starcraft_agent_state.npz"
HEALER = 54


@dataclass
class Unit:
    """A unit, and what the package knows of its type."""

    x: float
    y: float
    health: float
    health_max: float
    shield: float = 0.0
    max_shield: float = 0.0
    energy: float = 0.0
    weapon_cooldown: float = 0.0
    max_cooldown: float = 1.0
    kind: float = 0
    heals: float = False

    @property
    def pos(self) -> Unit:
        """Where it is."""
        return self

    @property
    def unit_type(self) -> int:
        """Whether it is a medivac."""
        return HEALER if self.heals else 0


class Field:
    """A package's environment as far as the state is made of it."""

    map_type, medivac_id = "MMM", HEALER

    def __init__(
        self, allies: list[Unit], enemies: list[Unit], last_action: Any, field: Any, sight: float
    ) -> None:
        self.agents, self.enemies = dict(enumerate(allies)), dict(enumerate(enemies))
        self.n_agents, self.n_enemies = len(allies), len(enemies)
        self.last_action = np.array(last_action, float)
        self.n_actions = self.last_action.shape[-1]
        self.map_x, self.map_y, self.max_distance_x, self.max_distance_y = field[:4]
        bits = [int(count) for count in field[4:]]
        self.shield_bits_ally, self.shield_bits_enemy, self.unit_type_bits = bits
        self.sight = sight

    def unit_sight_range(self, agent: int) -> float:
        """Give how far an agent sees."""
        return self.sight

    def unit_max_cooldown(self, unit: Unit) -> float:
        """Give the time between two shots, or all the energy."""
        return unit.max_cooldown

    def unit_max_shield(self, unit: Unit) -> float:
        """Give a whole shield."""
        return unit.max_shield

    def get_unit_type_id(self, unit: Unit, ally: bool) -> int:
        """Give the number of the type."""
        return int(unit.kind)


ONE = Unit(10, 16, 30, 40, shield=40, max_shield=80, weapon_cooldown=7, max_cooldown=35)
OTHER = Unit(13, 20, 10, 50, max_shield=50, weapon_cooldown=11, max_cooldown=22, kind=1)
ENEMY = Unit(16, 24, 20, 80, shield=8, max_shield=80)
FALLEN = Unit(12, 16, 0, 80, shield=9, max_shield=80, kind=1)
AVAIL = np.array([[0, 1, 1, 0, 1, 1, 0, 0], [0, 1, 0, 1, 1, 1, 1, 0]], bool)
WEST, HIT = np.eye(8)[5].tolist(), np.eye(8)[6].tolist()


def battle(allies: list[Unit], enemies: list[Unit]) -> Field:
    """On 32 by 32 with 30 by 20 to play on, shields on both sides, two types, a sight of ten."""
    return Field(allies, enemies, [WEST, HIT], (32, 32, 30, 20, 1, 1, 2), sight=10.0)


def test_every_feature_of_a_battle_by_hand() -> None:
    env = battle([ONE, OTHER], [ENEMY, FALLEN])
    states = agent_states(env, AVAIL)
    one = [
        *(1, 0.5, 0.3, 0.4, 0.5, 0.2, 0, -0.1, 0.2, 0, 1, *HIT),  # the other: five away
        *(0, 1, 0.6, 0.8, 0, 0.25, 0.1, 1, 0, 0, 0.4),  # the enemy: just out of sight
        *[0] * 11,  # the fallen one
        *(1, 0, 1, 1),  # north, south, east, west
        *(1, 0, 0, 0, 0.75, 0.5, -0.2, 0, 1, 0, *WEST),
        *(1, 0),
    ]
    other = [
        *(1, 0.5, -0.3, -0.4, 0.2, 0.75, 0.5, -0.2, 0, 1, 0, *WEST),
        *(1, 0.5, 0.3, 0.4, 1, 0.25, 0.1, 1, 0, 0, 0.4),
        *[0] * 11,
        *(0, 1, 1, 1),
        *(1, 0, 0, 0, 0.2, 0, -0.1, 0.2, 0, 1, *HIT),
        *(0, 1),
    ]
    assert states.dtype == np.float32
    assert states.shape == (2, size(env)) == (2, 65)
    np.testing.assert_allclose(states, [one, other], atol=1e-7)  # one rounding to float32


def test_of_a_dead_agent_only_who_it_is_is_left_and_others_see_zeros() -> None:
    dead = Unit(13, 20, 0, 50, max_shield=50, weapon_cooldown=11, max_cooldown=22, kind=1)
    states = agent_states(battle([ONE, dead], [ENEMY, FALLEN]), AVAIL)
    assert states[1].tolist() == [0] * 63 + [0, 1]
    assert not states[0, :19].any()
    alive = agent_states(battle([ONE, OTHER], [ENEMY, FALLEN]), AVAIL)
    np.testing.assert_array_equal(states[0, 19:], alive[0, 19:])


def test_a_medivac_shows_its_energy_where_others_show_their_cooldown() -> None:
    medivac = Unit(
        13, 20, 150, 150, max_shield=1, energy=50, weapon_cooldown=9, max_cooldown=200, heals=True
    )
    assert agent_states(battle([ONE, medivac], [ENEMY, FALLEN]), AVAIL)[0, 4] == 0.25


def test_without_types_and_shields_their_features_are_not_there() -> None:
    env = battle([ONE, OTHER], [ENEMY, FALLEN])
    env.shield_bits_ally = env.shield_bits_enemy = env.unit_type_bits = 0
    states = agent_states(env, AVAIL)
    assert states.shape == (2, size(env)) == (2, 65 - 2 * 3 - 2 * 3)
    assert states[0, :9].tolist() == pytest.approx([1, 0.5, 0.3, 0.4, 0.5, 0.2, -0.1, 0.2, 0])


@pytest.mark.parametrize("task", ["MMM2", "1c3s5z", "2c_vs_64zg"])
def test_states_are_the_references(task: str) -> None:
    with np.load(ORACLE) as file:
        names = ("allies", "enemies", "avail", "last_action", "states", "field")
        *moments, field = (file[f"{task}/{name}"] for name in names)
    dead = 0
    for allies, enemies, avail, last_action, expected in zip(*moments, strict=True):
        us, them = ([Unit(*row) for row in side.tolist()] for side in (allies, enemies))
        env = Field(us, them, last_action, field, sight=9.0)
        assert expected.shape == (env.n_agents, size(env))
        np.testing.assert_allclose(agent_states(env, avail), expected, rtol=1e-6)  # float32
        dead += int(avail[:, 0].sum())
    assert dead


@pytest.fixture
def _packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(STANDIN))


@pytest.mark.usefixtures("_packages")
@pytest.mark.parametrize("make", [smac, smacv2])
def test_a_battle_gives_each_agent_its_own_state(make: Any) -> None:
    env: Env = make(state="agent")
    steps = play(env, walk)
    agents = env.spec.num_agents
    for step in steps:
        check_step(step, env.spec)
        assert step.state is not None
        np.testing.assert_array_equal(step.state[:, -agents:], np.eye(agents))
        assert step.state[:, :-agents].any(-1).tolist() == step.alive.tolist()
    assert not steps[-1].alive.all()
    env.close()


@pytest.mark.usefixtures("_packages")
def test_mappo_learns_from_agents_own_states() -> None:
    copies = SyncVectorEnv(lambda: smac(state="agent"), 2)
    config = MappoConfig(num_envs=2, rollout_steps=20, hidden=16, epochs=2)
    agent = Mappo(config, copies.spec, seed=0, device="cpu")
    before = [weight.clone() for weight in agent.critic.parameters()]
    seeds = np.arange(2)
    step, memory = copies.reset(seeds), agent.start(2)
    metrics: list[dict[str, float]] = []
    while len(metrics) < 2:
        check_step(step, copies.spec, (2,))
        actions, memory = agent.act(step, memory, np.random.default_rng(0), explore=True)
        agent.observe(step, actions)
        step = copies.step(actions, seeds)
        metrics += [each for each in [agent.update()] if each]
    copies.close()
    assert not copies.crashes
    assert all(np.isfinite(list(each.values())).all() for each in metrics)
    assert all(
        (old != new).any() for old, new in zip(before, agent.critic.parameters(), strict=True)
    )


@pytest.mark.parametrize(("task", "width"), [("3m", 81), ("3s5z", 299), ("MMM2", 435)])
def test_the_real_package_has_the_references_sizes(task: str, width: int) -> None:
    if reason := lack("smac"):
        pytest.skip(reason)
    env = build(task, Config(launch_spacing=0, state="agent"))
    assert env.spec.state_shape == (env.spec.num_agents, width)
    env.close()
