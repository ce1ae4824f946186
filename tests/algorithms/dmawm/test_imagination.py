"""Imagined trajectories: what follows from what, and at which time it is decoded."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from marlbench.plugin import EnvSpec
from marlbench.toolbox.ppo import ImaginedRollout
from marlbench_dmawm.config import Config
from marlbench_dmawm.imagination import (
    Start,
    advantages,
    imagine,
    standardise,
)
from marlbench_dmawm.networks import Actor, Critic
from marlbench_dmawm.world_model import WorldModel

ROLLOUTS = 6


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


def rollout_of(
    networks: tuple[WorldModel, Actor, Critic], start: Start, config: Config
) -> ImaginedRollout:
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
        policy = actor(rollout.h[t], rollout.z[t].long(), rollout.avail[t]).log_probs
        chosen = policy.gather(-1, rollout.action[t].unsqueeze(-1)).squeeze(-1)
        torch.testing.assert_close(rollout.log_prob[t], chosen)
        assert rollout.avail[t].gather(-1, rollout.action[t].unsqueeze(-1)).all()


@pytest.fixture
def one_state(
    networks: tuple[WorldModel, Actor, Critic], config: Config, spec: EnvSpec
) -> ImaginedRollout:
    """4000 rollouts that reach the same h: one state, one action."""
    many = 4000
    generator = torch.Generator().manual_seed(4)
    h = torch.randn(1, spec.num_agents, config.deter, dtype=torch.float64, generator=generator)
    z = torch.zeros(many, spec.num_agents, config.latents, dtype=torch.int64)
    only = torch.zeros(many, spec.num_agents, spec.num_actions, dtype=torch.bool)
    only[..., 1] = True
    weight = torch.ones(many, spec.num_agents, dtype=torch.float64)
    start = Start(h.expand(many, -1, -1), z, only, weight)
    return imagine(*networks[:2], start, 2, torch.Generator().manual_seed(0))


# Four standard errors of a frequency at 4000 draws are at most 0.032.
DRAWN = 0.032


def test_latents_are_drawn_from_the_predictor(
    networks: tuple[WorldModel, Actor, Critic], one_state: ImaginedRollout, config: Config
) -> None:
    """Over many rollouts from one state, classes come as often as p(z | h^{1:n}) says."""
    frequency = F.one_hot(one_state.z[1].long(), config.classes).double().mean(0)  # (A, K, C)
    expected = networks[0].environment.prior(one_state.h[1, :1])[0].exp()
    torch.testing.assert_close(frequency, expected, rtol=0, atol=DRAWN)


def test_masks_are_drawn_action_by_action(
    networks: tuple[WorldModel, Actor, Critic], one_state: ImaginedRollout
) -> None:
    """As often as the head says; the likeliest action is always there, lest there be none."""
    env = networks[0].environment
    probs = env.avail(env.context(one_state.h[1, :1]))[0].sigmoid()  # (A, U)
    likeliest = probs == probs.amax(-1, keepdim=True)
    frequency = one_state.avail[1].double().mean(0)
    expected = probs.masked_fill(likeliest, 1.0)
    assert ((probs > 0.2) & (probs < 0.8) & ~likeliest).any(), "a threshold would show"
    torch.testing.assert_close(frequency, expected, rtol=0, atol=DRAWN)


@pytest.mark.parametrize("absent_return", ["team", "ends"])
def test_weight_is_the_rollouts_own_or_the_chance_to_be_there_still(
    networks: tuple[WorldModel, Actor, Critic], start: Start, config: Config, absent_return: str
) -> None:
    changed = config.model_copy(update={"absent_return": absent_return})
    networks[0].config = changed
    rollout = rollout_of(networks, start, changed)
    assert rollout.weight is not None
    for t in range(config.horizon):
        there = rollout.cont[:t].prod(0) if absent_return == "ends" else 1
        torch.testing.assert_close(rollout.weight[t], start.weight * there)
    assert (rollout.weight[:, 0] == 0).all()
    assert (rollout.weight[:, 1, 2] == 0).all()


def made_up(reward: Tensor, cont: Tensor, config: Config, agents: int) -> ImaginedRollout:
    """A rollout of one trajectory with given rewards and continuations (H,)."""
    horizon = len(reward)
    spread = (horizon, 1, agents)
    nothing = torch.zeros(spread)
    return ImaginedRollout(
        h=torch.zeros(horizon + 1, 1, agents, config.deter),
        z=torch.zeros(horizon + 1, 1, agents, config.latents, dtype=torch.uint8),
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
    discount = config.gamma * config.gae_lambda
    torch.testing.assert_close(target[:2, 0, 0], torch.tensor([10 * discount, 10.0]))


@pytest.mark.parametrize("shared", [True, False])
def test_advantages_are_the_sum_over_later_errors_and_team_rewards_are_shared(
    networks: tuple[WorldModel, Actor, Critic],
    start: Start,
    config: Config,
    spec: EnvSpec,
    shared: bool,
) -> None:
    critic, rollout = networks[2], rollout_of(networks, start, config)
    assert rollout.weight is not None
    present = rollout.weight[..., :1].expand_as(rollout.weight)  # a rollout's agents weigh alike
    rollout = replace(rollout, weight=present)
    value = critic.value(rollout.h, rollout.z.long())
    reward = rollout.reward
    if shared:
        reward = reward.mean(-1, keepdim=True) * present  # rollouts without weight earn nothing
    delta = reward + config.gamma * rollout.cont * value[1:] - value[:-1]
    expected = torch.zeros_like(delta)
    for t in range(config.horizon):
        weight = torch.ones_like(delta[0])
        for k in range(t, config.horizon):
            expected[t] += weight * delta[k]
            weight = weight * config.gae_lambda * config.gamma * rollout.cont[k]
    spec = replace(spec, reward="team" if shared else "individual")
    advantage, target = advantages(critic, rollout, config, spec)
    torch.testing.assert_close(target, expected + value[:-1])
    for agent in range(spec.num_agents):
        mine = expected[..., agent][present[..., agent] > 0]
        std, mean = torch.std_mean(mine, correction=0)
        ours = advantage[..., agent][present[..., agent] > 0]
        torch.testing.assert_close(ours, (mine - mean) / (std + 1e-5))


def test_individual_rewards_are_shared_where_asked_for(
    networks: tuple[WorldModel, Actor, Critic], start: Start, config: Config, spec: EnvSpec
) -> None:
    rollout, own = rollout_of(networks, start, config), replace(spec, reward="individual")
    shared = config.model_copy(update={"share_reward": True})
    asked = advantages(networks[2], rollout, shared, own)
    team = advantages(networks[2], rollout, config, spec)
    apart = advantages(networks[2], rollout, config, own)
    assert torch.equal(asked[1], team[1])
    assert not torch.equal(apart[1], team[1])


def test_each_agent_is_standardised_by_itself_and_weightless_entries_do_not_count() -> None:
    x = torch.tensor([[[1.0, 10.0]], [[3.0, 50.0]], [[1000.0, 90.0]]])  # (H, R=1, A)
    weight = torch.tensor([[[1.0, 1.0]], [[1.0, 1.0]], [[0.0, 0.0]]])
    expected = torch.tensor([[[-1.0, -1.0]], [[1.0, 1.0]]])
    # the 1e-5 that is added to a deviation of 1
    torch.testing.assert_close(standardise(x, weight)[:2], expected, rtol=0, atol=2e-5)
