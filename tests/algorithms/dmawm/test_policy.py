"""PPO on made-up decisions: the losses by hand, what carries no weight, what is clipped."""

import pytest
import torch

from marlbench.plugin import EnvSpec
from marlbench.toolbox.ppo import PPOBatch
from marlbench_dmawm.config import Config
from marlbench_dmawm.networks import Actor, Critic
from marlbench_dmawm.policy import PolicyLearner


def decisions(config: Config, spec: EnvSpec, n: int = 40) -> PPOBatch:
    generator = torch.Generator().manual_seed(0)
    agents = (n, spec.num_agents)
    avail = torch.rand(*agents, spec.num_actions, generator=generator) < 0.6
    avail[..., 1] = True
    return PPOBatch(
        h=torch.randn(*agents, config.deter, generator=generator),
        z=torch.randint(0, config.classes, (*agents, config.latents), generator=generator),
        avail=avail,
        action=torch.ones(agents, dtype=torch.int64),
        log_prob=-torch.rand(agents, generator=generator),
        advantage=torch.randn(agents, generator=generator),
        target=5 * torch.randn(agents, generator=generator),
        weight=torch.ones(agents),
    )


def learner(config: Config, spec: EnvSpec) -> PolicyLearner:
    torch.manual_seed(0)
    return PolicyLearner(config, Actor(config, spec), Critic(config, spec))


def test_losses_equal_their_equations(config: Config, spec: EnvSpec) -> None:
    policy, data = learner(config, spec), decisions(config, spec)
    with torch.no_grad():
        log_probs = policy.actor(data.h, data.z, data.avail).log_probs
        probs = log_probs.exp()
        ratio = probs[..., 1] / data.log_prob.exp()
        gain = torch.minimum(
            ratio * data.advantage, ratio.clamp(1 - config.clip, 1 + config.clip) * data.advantage
        )
        entropy = -torch.special.xlogy(probs, probs).sum(-1)
        critic_loss = policy.critic.twohot.loss(policy.critic(data.h, data.z), data.target).mean()
    metrics = policy.step(data)
    torch.testing.assert_close(
        metrics["actor_loss"], -(gain + config.entropy_coef * entropy).mean()
    )
    torch.testing.assert_close(metrics["critic_loss"], critic_loss)


def test_decisions_without_weight_teach_nothing(config: Config, spec: EnvSpec) -> None:
    """Absent agents change neither actor nor, but for what the critic sees of them, critic."""
    data = decisions(config, spec)
    assert data.weight is not None
    data.weight[:, 2] = 0
    after = []
    for poison in (0.0, 1e3):
        data.advantage[:, 2] = poison
        data.target[:, 2] = poison
        data.log_prob[:, 2] = -poison / 1e3
        policy = learner(config, spec)
        policy.step(data)
        after.append([p.detach().clone() for p in policy.critic.parameters()])
        after[-1] += [p.detach().clone() for p in policy.actor.parameters()]
    for ours, theirs in zip(*after, strict=True):
        assert torch.equal(ours, theirs)


def test_good_actions_become_likelier_and_values_approach_their_targets(
    config: Config, spec: EnvSpec
) -> None:
    policy, data = learner(config, spec), decisions(config, spec)
    data.advantage.fill_(1.0)
    data.target.fill_(3.0)
    with torch.no_grad():
        data.log_prob.copy_(policy.actor(data.h, data.z, data.avail).log_probs[..., 1])
        before = policy.critic.value(data.h, data.z)
    for _ in range(100):  # after 30, processors of other vector units differ by half of the way
        policy.learn(data, torch.Generator().manual_seed(0))
    with torch.no_grad():
        new = policy.actor(data.h, data.z, data.avail).log_probs[..., 1]
        ratio = (new - data.log_prob).exp()
        after = policy.critic.value(data.h, data.z)
    choice = data.avail.sum(-1) > 1
    assert ratio[choice].mean() > 1.15  # it stops being pushed at 1 + clip
    assert (after - 3).abs().mean() < 0.3 * (before - 3).abs().mean()


@pytest.mark.parametrize(("minibatch", "sizes"), [(20, [20, 20, 5]), (0, [45]), (45, [45])])
def test_the_whole_batch_is_seen_once_per_epoch(
    config: Config, spec: EnvSpec, minibatch: int, sizes: list[int]
) -> None:
    config = config.model_copy(update={"minibatch": minibatch})
    policy, data = learner(config, spec), decisions(config, spec, n=45)
    seen: list[torch.Tensor] = []
    policy.step = lambda data: seen.append(data.h[:, 0, 0]) or {}  # type: ignore[method-assign,func-returns-value]
    policy.learn(data, torch.Generator().manual_seed(0))
    assert [len(rows) for rows in seen] == sizes * config.epochs
    for epoch in torch.cat(seen).split(45):
        torch.testing.assert_close(epoch.sort().values, data.h[:, 0, 0].sort().values)
