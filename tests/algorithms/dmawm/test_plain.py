"""The learner takes the training step that the plain loops take: imagination, PPO and the whole."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from marlbench.plugin import EnvSpec
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.toolbox.ppo import PPOBatch
from marlbench_dmawm import plain
from marlbench_dmawm.agent import Dmawm
from marlbench_dmawm.config import Config
from marlbench_dmawm.imagination import Start, imagine
from marlbench_dmawm.networks import Actor, Critic
from marlbench_dmawm.policy import PolicyLearner
from marlbench_dmawm.world_model import WorldModel
from tests.algorithms.lockstep import Lockstep


def test_imagination_equals_the_plain_loop(
    networks: tuple[WorldModel, Actor, Critic], config: Config, spec: EnvSpec
) -> None:
    model, actor, _ = networks
    generator = torch.Generator().manual_seed(2)
    agents = (6, spec.num_agents)
    avail = torch.rand(*agents, spec.num_actions, generator=generator) < 0.5
    avail[..., 1] = True
    start = Start(
        h=torch.randn(*agents, config.deter, generator=generator, dtype=torch.float64),
        z=torch.randint(0, config.classes, (*agents, config.latents), generator=generator),
        avail=avail,
        weight=torch.ones(agents, dtype=torch.float64),
    )
    ours, theirs = (
        each(model, actor, start, config.horizon, torch.Generator().manual_seed(3))
        for each in (imagine, plain.imagined)
    )
    for field in fields(ours):  # float64 and products in another order
        values = getattr(ours, field.name), getattr(theirs, field.name)
        torch.testing.assert_close(*values, rtol=1e-10, atol=1e-10, msg=field.name)
    assert len(ours.action.unique()) > 1


def test_a_ppo_step_moves_every_weight_as_plainly(
    networks: tuple[WorldModel, Actor, Critic], config: Config, spec: EnvSpec
) -> None:
    generator = torch.Generator().manual_seed(0)
    agents = (40, spec.num_agents)
    avail = torch.rand(*agents, spec.num_actions, generator=generator) < 0.6
    avail[..., 1] = True
    data = PPOBatch(
        h=torch.randn(*agents, config.deter, generator=generator).double(),
        z=torch.randint(0, config.classes, (*agents, config.latents), generator=generator),
        avail=avail,
        action=torch.ones(agents, dtype=torch.int64),
        log_prob=-torch.rand(agents, generator=generator).double(),
        advantage=torch.randn(agents, generator=generator).double(),
        target=5 * torch.randn(agents, generator=generator).double(),
        weight=torch.rand(agents, generator=generator).double(),
    )
    _, actor, critic = networks
    moved = []
    for kind in (PolicyLearner, plain.PlainPolicyLearner):
        own = Actor(config, spec).double(), Critic(config, spec).double()
        for network, drawn in zip(own, (actor, critic), strict=True):
            network.load_state_dict(drawn.state_dict())
        kind(config, *own).step(data)
        moved.append([weight.detach() for network in own for weight in network.parameters()])
    before = [*actor.parameters(), *critic.parameters()]
    for ours, theirs, start in zip(*moved, before, strict=True):
        # Adam divides by gradients that may be nearly nothing: a part in 10^6 of its step
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6 * config.actor_lr)
        assert not torch.equal(ours, start)


SIZES = Sizes(agents=3)


def test_whole_training_steps_are_alike(config: Config) -> None:
    """Three of each in float32, of the same play and the same noise: losses stay together."""
    changed = config.model_copy(update={"minibatch": 0, "pretrain": 1})
    losses = []
    for kind in (Dmawm, plain.PlainDmawm):
        agent = kind(changed, Synthetic(SIZES).spec, 0, "cpu")
        Lockstep(agent, SIZES, changed.num_envs).play_until(1)
        found = [agent.train() for _ in range(3)]
        losses.append([[float(each[name]) for name in LOSSES] for each in found])
    # float32: sums of some thousand terms in another order
    torch.testing.assert_close(*map(torch.tensor, losses), rtol=1e-3, atol=1e-4)


LOSSES = ("model_loss", "actor_loss", "critic_loss", "imagined_reward", "imagined_value")


@pytest.mark.parametrize(
    ("changed", "sizes"),
    [
        ({"absorbing_state": False}, SIZES),
        ({"predictor": "mlp"}, SIZES),
        ({"critic": "mlp"}, SIZES),
        ({}, replace(SIZES, kind="box")),
        ({}, replace(SIZES, obs_shape=(24, 24, 3))),
    ],
)
def test_what_the_plain_loops_do_not_know_is_refused(
    config: Config, changed: dict[str, object], sizes: Sizes
) -> None:
    other = config.model_copy(update=changed)
    with pytest.raises(ValueError, match="plain loops know"):
        plain.PlainDmawm(other, Synthetic(sizes).spec, 0, "cpu")


def test_the_phases_of_both_have_the_same_names(config: Config) -> None:
    for kind in (Dmawm, plain.PlainDmawm):
        agent = kind(config, Synthetic(SIZES).spec, 0, "cpu")
        Lockstep(agent, SIZES, config.num_envs).play_until(1)
        assert [name for name, _ in agent.phases()] == ["sample", "model", "imagination", "PPO"]
