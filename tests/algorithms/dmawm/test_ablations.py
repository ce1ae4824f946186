"""What section 5.3 takes away: the critic's transformer, the predictor's, the absorbing state."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from marlbench.plugin import EnvSpec, Step
from marlbench_dmawm.agent import Dmawm
from marlbench_dmawm.config import Config
from marlbench_dmawm.imagination import Start, imagine
from marlbench_dmawm.networks import Actor, Critic, EnvironmentModule
from marlbench_dmawm.world_model import WorldModel

Play = Callable[[int, int], Iterator[Step]]


def changed(config: Config, **settings: Any) -> Config:
    return config.model_copy(update=settings)


def states(config: Config, spec: EnvSpec, rows: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    agents = (rows, spec.num_agents)
    h = torch.randn(*agents, config.deter, generator=generator)
    return h, torch.randint(0, config.classes, (*agents, config.latents), generator=generator)


@pytest.mark.parametrize("kind", ["transformer", "mlp"])
def test_the_critic_reads_all_h_or_the_agents_own_h_and_z(
    config: Config, spec: EnvSpec, kind: str
) -> None:
    torch.manual_seed(0)
    critic = Critic(changed(config, critic=kind), spec)
    h, z = states(config, spec)
    before = critic.encoder(h) if critic.encoder else critic.reader(h, z)  # type: ignore[misc]
    other_h, other_z = h.clone(), (z + 1) % config.classes
    other_h[:, 1:] += 1.0
    own_z = torch.cat([other_z[:, :1], z[:, 1:]], 1)

    def features(h: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return critic.encoder(h) if critic.encoder else critic.reader(h, z)  # type: ignore[misc]

    sees_others = not torch.equal(features(other_h, z)[:, 0], before[:, 0])
    sees_own_z = not torch.equal(features(h, own_z)[:, 0], before[:, 0])
    assert (sees_others, sees_own_z) == ((True, False) if kind == "transformer" else (False, True))


@pytest.mark.parametrize("kind", ["transformer", "mlp"])
def test_an_mlp_foresees_each_agent_by_itself(config: Config, spec: EnvSpec, kind: str) -> None:
    torch.manual_seed(0)
    environment = EnvironmentModule(changed(config, predictor=kind), spec)
    h, _ = states(config, spec)
    other = h.clone()
    other[:, 1:] += 1.0
    for foreseen in (
        environment.prior,
        lambda h: environment.cont(environment.context(h)),
        lambda h: environment.avail(environment.context(h)),
    ):
        same = torch.equal(foreseen(h)[:, 0], foreseen(other)[:, 0])
        assert same == (kind == "mlp")


def test_agents_that_are_absent_are_left_out_of_what_is_foreseen(
    config: Config, spec: EnvSpec
) -> None:
    torch.manual_seed(0)
    environment = EnvironmentModule(config, spec)
    h, _ = states(config, spec)
    present = torch.ones(h.shape[:2], dtype=torch.bool)
    present[:, 2] = False
    other = h.clone()
    other[:, 2] += 1.0
    for foreseen in (environment.prior, environment.context):
        assert torch.equal(foreseen(h, present)[:, :2], foreseen(other, present)[:, :2])
        assert not torch.equal(foreseen(h)[:, :2], foreseen(other)[:, :2])
        assert foreseen(h, ~present & False).isfinite().all(), "nobody is there"


def rolled(config: Config, spec: EnvSpec, rows: int = 400) -> tuple[WorldModel, Start, Any]:
    torch.manual_seed(0)
    model, actor = WorldModel(config, spec), Actor(config, spec)
    h, z = states(config, spec, rows)
    avail = torch.ones(rows, spec.num_agents, spec.num_actions, dtype=torch.bool)
    weight = torch.ones(rows, spec.num_agents)
    weight[:50, 1] = 0  # absent from the beginning
    start = Start(h, z, avail, weight)
    return model, start, imagine(model, actor, start, 4, torch.Generator().manual_seed(1))


def test_without_an_absorbing_state_absence_is_drawn_and_lasts(
    config: Config, spec: EnvSpec
) -> None:
    """A binary value for each agent; who is gone weighs nothing and never comes back."""
    model, start, rollout = rolled(changed(config, absorbing_state=False), spec)
    assert torch.equal(rollout.weight[0], start.weight)
    assert ((rollout.cont == 0) | (rollout.cont == 1)).all()
    assert torch.equal(rollout.weight[1:], rollout.cont[:-1])
    assert (rollout.cont[1:] <= rollout.cont[:-1]).all()
    environment = model.environment
    context = environment.context(rollout.h[1], start.weight > 0)
    chance = environment.cont(context).squeeze(-1).sigmoid() * start.weight
    spread = (chance * (1 - chance)).sum().sqrt()
    # four deviations of a sum of independent draws
    assert (rollout.cont[0].sum() - chance.sum()).abs() < 4 * spread
    assert 0.1 < rollout.cont[0].mean() < 0.9, "some go, some stay"


def test_who_is_absent_changes_nothing_that_is_imagined_of_the_others(
    config: Config, spec: EnvSpec
) -> None:
    config = changed(config, absorbing_state=False)
    model, start, rollout = rolled(config, spec)
    start.h[:50, 1] += 5.0
    torch.manual_seed(0)
    WorldModel(config, spec)
    again = imagine(model, Actor(config, spec), start, 4, torch.Generator().manual_seed(1))
    others = [0, 2]
    assert torch.equal(rollout.z[:, :50, others], again.z[:, :50, others])
    assert torch.equal(rollout.h[:, :50, others], again.h[:, :50, others])


def test_absent_agents_teach_the_model_nothing_but_their_absence(
    config: Config, spec: EnvSpec, steps: Play
) -> None:
    agent = trained(changed(config, absorbing_state=False), spec, steps)
    batch = agent.sample_batch()
    gone = (batch.present == 0) & ~batch.among
    assert gone.any()
    before, _ = agent.model.loss(batch, agent.model.observe(batch, uniform=None))
    batch.obs[gone] = 99.0
    batch.reward[gone] = 99.0
    batch.cont[gone] = 1.0
    after, _ = agent.model.loss(batch, agent.model.observe(batch, uniform=None))
    # float32: an absent agent's own state still enters sums that it weighs 0 in
    torch.testing.assert_close(before, after)


def trained(config: Config, spec: EnvSpec, steps: Play) -> Dmawm:
    agent = Dmawm(config, spec, 0, "cpu")
    policy_state = agent.start(config.num_envs)
    for step, _ in zip(steps(config.num_envs, 0), range(20), strict=False):
        actions, policy_state = agent.act(
            step, policy_state, np.random.default_rng(0), explore=True
        )
        agent.observe(step, actions)
        if metrics := agent.update():
            assert all(np.isfinite(value) for value in metrics.values())
    assert agent.updates
    return agent


@pytest.mark.parametrize(
    "settings",
    [
        {"critic": "mlp"},
        {"predictor": "mlp"},
        {"absorbing_state": False},
        {"absent_return": "ends"},
        {"horizon": 1},
        {"horizon": 7},
        {"critic": "mlp", "predictor": "mlp", "absorbing_state": False},
    ],
)
def test_every_ablation_trains_and_moves_what_it_has(
    config: Config, spec: EnvSpec, steps: Play, settings: dict[str, Any]
) -> None:
    config = changed(config, **settings, free_nats=0.0)  # within them no gradient flows
    agent = Dmawm(config, spec, 0, "cpu")
    modules = {"model": agent.model, "actor": agent.policy.actor, "critic": agent.policy.critic}
    before = {
        (name, key): value.clone()
        for name, module in modules.items()
        for key, value in module.named_parameters()
    }
    after = trained(config, spec, steps)
    modules = {"model": after.model, "actor": after.policy.actor, "critic": after.policy.critic}
    still = [
        (name, key)
        for name, module in modules.items()
        for key, value in module.named_parameters()
        if torch.equal(value, before[name, key])
    ]
    assert not still
