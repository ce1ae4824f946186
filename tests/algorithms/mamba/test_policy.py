"""How PPO goes through what was imagined: epochs, minibatches, every joint state in its turn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from marlbench.plugin import EnvSpec
from marlbench.toolbox.ppo import PPOBatch
from marlbench_mamba.config import MambaConfig
from marlbench_mamba.networks import Actor, Critic
from marlbench_mamba.policy import PolicyLearner


def made_up(config: MambaConfig, spec: EnvSpec, n: int) -> PPOBatch:
    """Made-up decisions in N joint states, whose targets are the joint states' numbers."""
    generator = torch.Generator().manual_seed(0)
    agents = (n, spec.num_agents)
    return PPOBatch(
        h=torch.randn(*agents, config.deter, generator=generator),
        z=torch.randint(config.classes, (*agents, config.latents), generator=generator),
        avail=torch.ones(*agents, spec.num_actions, dtype=torch.bool),
        action=torch.randint(spec.num_actions, agents, generator=generator),
        log_prob=-torch.rand(agents, generator=generator),
        advantage=torch.randn(agents, generator=generator),
        target=torch.arange(n)[:, None].expand(agents).float(),
    )


@pytest.mark.parametrize(("epochs", "minibatch"), [(1, 20), (3, 20), (3, 45), (2, 50), (2, 9)])
def test_every_joint_state_is_learnt_from_once_per_epoch(
    config: MambaConfig,
    spec: EnvSpec,
    monkeypatch: pytest.MonkeyPatch,
    epochs: int,
    minibatch: int,
) -> None:
    config = config.model_copy(update={"epochs": epochs, "minibatch": minibatch})
    policy = PolicyLearner(config, Actor(config, spec), Critic(config, spec))
    data, step = made_up(config, spec, n=45), policy.step
    seen: list[PPOBatch] = []

    def watched(rows: PPOBatch) -> dict[str, Tensor]:
        seen.append(rows)
        return step(rows)

    monkeypatch.setattr(policy, "step", watched)
    policy.learn(data, torch.Generator().manual_seed(0))
    whole, rest = divmod(45, minibatch)
    assert [len(rows.h) for rows in seen] == ([minibatch] * whole + [rest] * (rest > 0)) * epochs
    for optimiser in (policy.actor_optimiser, policy.critic_optimiser):
        assert {int(state["step"]) for state in optimiser.state.values()} == {len(seen)}
    order = torch.cat([rows.target[:, 0] for rows in seen]).long()  # (epochs N,)
    assert torch.equal(torch.cat([rows.h for rows in seen]), data.h[order])
    passes = order.view(epochs, 45)
    assert torch.equal(passes.sort(-1).values, torch.arange(45).expand(epochs, -1))
    assert len(passes.unique(dim=0)) == epochs  # in another order each time
    assert (passes != torch.arange(45)).any(-1).all()
