"""Imagined trajectories: what follows from what, and at which time it is decoded."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from marlbench.plugin import EnvSpec
from marlbench_dmawm.config import Config
from marlbench_dmawm.imagination import (
    Rollout,
    Start,
    advantages,
    decoded_mask,
    imagine,
    standardise,
)
from marlbench_dmawm.networks import Actor, Critic
from marlbench_dmawm.world_model import WorldModel

ROLLOUTS = 6


@pytest.fixture
def networks(config: Config, spec: EnvSpec) -> tuple[WorldModel, Actor, Critic]:
    torch.manual_seed(0)
    model, actor, critic = WorldModel(config, spec), Actor(config, spec), Critic(config, spec)
    for network in (model.environment.reward, critic.out, actor.out):
        weight = list(network.parameters())[-2]
        torch.nn.init.normal_(weight, std=0.3)  # output layers start at nearly nothing
    return model.double(), actor.double(), critic.double()


@pytest.fixture
def start(config: Config, spec: EnvSpec) -> Start:
    generator = torch.Generator().manual_seed(2)
    agents = (ROLLOUTS, spec.num_agents)
    avail = torch.rand(*agents, spec.num_actions, generator=generator) < 0.5
    avail[..., 1] = True
    weight = torch.ones(agents, dtype=torch.float64)
    weight[0], weight[1, 2] = 0, 0
    return Start(
        h=torch.randn(*agents, config.deter, generator=generator, dtype=torch.float64),
        z=torch.randint(0, config.classes, (*agents, config.latents), generator=generator),
        avail=avail,
        weight=weight,
    )


def rollout_of(networks: tuple[WorldModel, Actor, Critic], start: Start, config: Config) -> Rollout:
    return imagine(*networks[:2], start, config.horizon, torch.Generator().manual_seed(3))


def test_states_follow_from_states_and_actions_as_in_training(
    networks: tuple[WorldModel, Actor, Critic], start: Start, config: Config
) -> None:
    """Each imagined h is f of the h, z, a before it [Eq. 1]."""
    agent = networks[0].agent
    rollout = rollout_of(networks, start, config)
    for t in range(config.horizon):
        h = agent.next(rollout.h[t], rollout.z[t].long(), rollout.action[t])
        torch.testing.assert_close(rollout.h[t + 1], h)


def test_heads_read_the_state_behind_the_action(
    networks: tuple[WorldModel, Actor, Critic], start: Start, config: Config
) -> None:
    """Reward, continuation and the next mask of step t are decoded from h_{t+1}."""
    model, actor, _ = networks
    env, rollout = model.environment, rollout_of(networks, start, config)
    assert torch.equal(rollout.avail[0], start.avail)  # the true mask where there is one
    for t in range(config.horizon):
        context = env.context(rollout.h[t + 1])
        probs = env.reward(context).softmax(-1)
        torch.testing.assert_close(rollout.reward[t], (probs * model.twohot.bins).sum(-1))
        torch.testing.assert_close(rollout.cont[t], env.cont(context).sigmoid().squeeze(-1))
        if t + 1 < config.horizon:
            assert torch.equal(rollout.avail[t + 1], decoded_mask(env.avail(context)))
        policy = actor(rollout.h[t], rollout.z[t].long(), rollout.avail[t])
        chosen = policy.gather(-1, rollout.action[t].unsqueeze(-1)).squeeze(-1)
        torch.testing.assert_close(rollout.log_prob[t], chosen)
        assert rollout.avail[t].gather(-1, rollout.action[t].unsqueeze(-1)).all()


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_latents_are_drawn_from_the_predictor(
    networks: tuple[WorldModel, Actor, Critic], config: Config, spec: EnvSpec, temperature: float
) -> None:
    """Over many rollouts from one state, classes come as often as p(z | h^{1:n}) says."""
    model, actor, _ = networks
    tempered = config.model_copy(update={"latent_temperature": temperature})
    model.agent.config = tempered
    many = 4000
    h = torch.randn(1, spec.num_agents, config.deter, dtype=torch.float64).expand(many, -1, -1)
    z = torch.zeros(many, spec.num_agents, config.latents, dtype=torch.int64)
    only = torch.zeros(many, spec.num_agents, spec.num_actions, dtype=torch.bool)
    only[..., 1] = True  # one action: all rollouts reach the same h
    start = Start(h, z, only, torch.ones(many, spec.num_agents, dtype=torch.float64))
    rollout = imagine(model, actor, start, 2, torch.Generator().manual_seed(0))
    frequency = F.one_hot(rollout.z[1].long(), config.classes).double().mean(0)  # (A, K, C)
    powers = model.environment.prior(rollout.h[1, :1])[0].exp() ** (1 / temperature)
    expected = powers / powers.sum(-1, keepdim=True)
    # four standard errors of a frequency at 4000 draws are at most 0.032
    torch.testing.assert_close(frequency, expected, rtol=0, atol=0.032)


def test_weight_is_the_chance_to_be_there_still(
    networks: tuple[WorldModel, Actor, Critic], start: Start, config: Config
) -> None:
    rollout = rollout_of(networks, start, config)
    for t in range(config.horizon):
        expected = start.weight * rollout.cont[:t].prod(0)
        torch.testing.assert_close(rollout.weight[t], expected)
    assert (rollout.weight[:, 0] == 0).all()
    assert (rollout.weight[:, 1, 2] == 0).all()


def test_mask_falls_back_on_the_likeliest_action() -> None:
    logits = torch.tensor([[1.0, -1.0, 2.0], [-3.0, -1.0, -2.0]])
    expected = torch.tensor([[True, False, True], [False, True, False]])
    assert torch.equal(decoded_mask(logits), expected)


def made_up(reward: Tensor, cont: Tensor, config: Config, agents: int) -> Rollout:
    """A rollout of one trajectory with given rewards and continuations (H,)."""
    horizon = len(reward)
    spread = (horizon, 1, agents)
    nothing = torch.zeros(spread)
    return Rollout(
        h=torch.zeros(horizon + 1, 1, agents, config.deter),
        z=torch.zeros(*spread, config.latents, dtype=torch.uint8),
        avail=torch.ones(*spread, 2, dtype=torch.bool),
        action=nothing.long(),
        log_prob=nothing,
        reward=reward[:, None, None].expand(spread),
        cont=cont[:, None, None].expand(spread),
        weight=torch.ones(spread),
    )


def test_the_win_bonus_reaches_every_step_before_the_end(config: Config, spec: EnvSpec) -> None:
    """The reward that arrives with termination counts; what follows it does not [Eq. 7]."""
    rollout = made_up(
        torch.tensor([0.0, 10.0, 99.0]), torch.tensor([1.0, 0.0, 1.0]), config, spec.num_agents
    )
    critic = Critic(config, spec)  # fresh: predicts 0 everywhere
    _, target = advantages(critic, rollout, config, spec)
    discount = config.gamma * config.lambda_
    torch.testing.assert_close(target[:2, 0, 0], torch.tensor([10 * discount, 10.0]))


def test_advantages_are_the_sum_over_later_errors_and_team_rewards_are_shared(
    networks: tuple[WorldModel, Actor, Critic], start: Start, config: Config, spec: EnvSpec
) -> None:
    critic, rollout = networks[2], rollout_of(networks, start, config)
    value = critic.value(rollout.h)
    reward = rollout.reward.mean(-1, keepdim=True)
    delta = reward + config.gamma * rollout.cont * value[1:] - value[:-1]
    expected = torch.zeros_like(delta)
    for t in range(config.horizon):
        weight = torch.ones_like(delta[0])
        for k in range(t, config.horizon):
            expected[t] += weight * delta[k]
            weight = weight * config.lambda_ * config.gamma * rollout.cont[k]
    advantage, target = advantages(critic, rollout, config, spec)
    torch.testing.assert_close(target, expected + value[:-1])
    present = rollout.weight
    mean = (present * expected).sum() / present.sum()
    std = ((present * (expected - mean) ** 2).sum() / present.sum()).sqrt()
    torch.testing.assert_close(advantage, (expected - mean) / std)


def test_absent_agents_do_not_move_the_standardisation() -> None:
    x = torch.tensor([1.0, 3.0, 1000.0])
    torch.testing.assert_close(
        standardise(x, torch.tensor([1.0, 1.0, 0.0]))[:2], torch.tensor([-1.0, 1.0])
    )
