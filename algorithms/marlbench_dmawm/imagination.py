"""Imagined trajectories: what the policy learns from [section 4.3].

The heads read h alone, and h_{t+1} is the first state that knows a_t. So the reward and the
continuation of the transition from t to t+1 are decoded from h_{t+1}; decoded from h_t, the
reward that arrives with the end would be multiplied by a continuation of 0 and lost.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from marlbench.plugin import EnvSpec
from marlbench.toolbox.policies import gumbel, log_prob, sample
from marlbench.toolbox.returns import gae
from marlbench_dmawm.config import Config
from marlbench_dmawm.networks import Actor, Critic
from marlbench_dmawm.world_model import WorldModel


@dataclass(frozen=True)
class Start:
    """Where R rollouts begin."""

    h: Tensor
    """(R, A, D)."""
    z: Tensor
    """(R, A, K) class indices."""
    avail: Tensor
    """(R, A, U) bool, the true mask."""
    weight: Tensor
    """(R, A), 0 for absent agents and for rows not to learn from."""


@dataclass(frozen=True)
class Rollout:
    """R imagined trajectories of H transitions."""

    h: Tensor
    """(H+1, R, A, D)."""
    z: Tensor
    """(H, R, A, K) uint8 class indices."""
    avail: Tensor
    """(H, R, A, U) bool, the very mask that the action was drawn under."""
    action: Tensor
    """(H, R, A)."""
    log_prob: Tensor
    """(H, R, A) of the action, under the policy that took it."""
    reward: Tensor
    """(H, R, A) of the transition from t to t+1."""
    cont: Tensor
    """(H, R, A) probability that the agent goes on at t+1."""
    weight: Tensor
    """(H, R, A) probability that the agent is still there at t."""


@torch.no_grad()
def imagine(
    model: WorldModel, actor: Actor, start: Start, horizon: int, generator: torch.Generator
) -> Rollout:
    """Roll the policy out in the model; decentralised agents, coupled by the predictor alone."""
    agent, env = model.agent, model.environment
    h, z, avail = start.h, start.z, start.avail
    actions_noise = gumbel((horizon, *avail.shape), generator).to(h.dtype)
    latents_noise = torch.rand((horizon, *z.shape), generator=generator, device=h.device)
    states, latents, masks, actions, log_probs, contexts = [h], [], [], [], [], []
    for t in range(horizon):
        policy = actor(h, z, avail)  # (R, A, U)
        action = sample(policy, actions_noise[t])  # (R, A)
        latents.append(z.to(torch.uint8))
        masks.append(avail)
        actions.append(action)
        log_probs.append(log_prob(policy, action))
        h = agent.next(h, z, action)  # (R, A, D)
        z = agent.drawn(env.prior(h).exp(), latents_noise[t])  # (R, A, K)
        contexts.append(env.context(h))
        avail = decoded_mask(env.avail(contexts[-1]))
        states.append(h)
    context = torch.stack(contexts)  # (H, R, A, D)
    cont = env.cont(context).squeeze(-1).sigmoid()  # (H, R, A)
    alive = torch.cat([start.weight[None], cont[:-1]]).cumprod(0)  # (H, R, A)
    return Rollout(
        h=torch.stack(states),
        z=torch.stack(latents),
        avail=torch.stack(masks),
        action=torch.stack(actions),
        log_prob=torch.stack(log_probs),
        reward=model.twohot.mean(env.reward(context)),
        cont=cont,
        weight=alive,
    )


def decoded_mask(logits: Tensor) -> Tensor:
    """Actions more likely available than not (..., U); at least the likeliest one."""
    return (logits > 0) | (logits == logits.amax(-1, keepdim=True))


@torch.no_grad()
def advantages(
    critic: Critic, rollout: Rollout, config: Config, spec: EnvSpec
) -> tuple[Tensor, Tensor]:
    """Advantages, standardised over present agents, and value targets (H, R, A) [Eqs. 7, 9].

    A shared reward is the mean of what the agents' heads predict of it.
    """
    value = critic.value(rollout.h)  # (H+1, R, A)
    reward = rollout.reward
    if spec.reward == "team":
        reward = reward.mean(-1, keepdim=True).expand_as(reward)
    advantage = gae(reward, config.gamma * rollout.cont, value, config.lambda_)
    return standardise(advantage, rollout.weight), advantage + value[:-1]


def standardise(x: Tensor, weight: Tensor) -> Tensor:
    """Zero mean and unit deviation over weighted entries."""
    total = weight.sum().clamp(min=1)
    mean = (weight * x).sum() / total
    deviation = ((weight * (x - mean).square()).sum() / total).sqrt()
    return (x - mean) / (deviation + 1e-8)
