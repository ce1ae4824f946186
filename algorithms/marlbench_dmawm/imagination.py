"""Imagined trajectories: what the policy learns from [section 4.3].

The heads read h alone, and h_{t+1} is the first state that knows a_t. So the reward and the
continuation of the transition from t to t+1 are decoded from h_{t+1}; decoded from h_t, the
reward that arrives with the end would be multiplied by a continuation of 0 and lost.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from marlbench.plugin import EnvSpec
from marlbench.toolbox.latents import sample_classes
from marlbench.toolbox.ppo import ImaginedRollout
from marlbench.toolbox.returns import gae
from marlbench_dmawm.absorbing import ends
from marlbench_dmawm.config import Config
from marlbench_dmawm.networks import Actor, Critic, EnvironmentModule
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
    """(R, A), 0 for what is not to be learnt from."""


@torch.no_grad()
def imagine(
    model: WorldModel, actor: Actor, start: Start, horizon: int, generator: torch.Generator
) -> ImaginedRollout:
    """Roll the policy out in the model; decentralised agents, coupled by the predictor alone."""
    agent, env = model.agent, model.environment
    h, z, avail = start.h, start.z, start.avail
    there = None if model.config.absorbing_state else start.weight > 0  # (R, A)
    action_noise = actor.decision.own_noise(generator, (horizon, *avail.shape)).to(h.dtype)
    latent_noise = uniform_numbers((horizon, *z.shape), generator)
    mask_noise = uniform_numbers((horizon, *avail.shape), generator)
    cont_noise = uniform_numbers((horizon, *avail.shape[:-1]), generator)
    states, latents, rewards, conts = [h], [z.to(torch.uint8)], [], []
    masks, actions, log_probs = [], [], []
    for t in range(horizon):
        policy = actor(h, z, avail)
        action = policy.sample(action_noise[t])  # (R, A, *)
        masks.append(avail)
        actions.append(action)
        log_probs.append(policy.log_prob(action))
        h = agent.next(h, z, action)  # (R, A, D)
        z, context = foreseen(env, h, there, latent_noise[t])
        avail = sampled_mask(env.avail(context), mask_noise[t], actor.decision.must_choose)
        cont = env.cont(context).squeeze(-1).sigmoid()  # (R, A)
        if there is not None:
            there = there & (cont_noise[t] < cont)
            cont = there.to(h.dtype)
        states.append(h)
        latents.append(z.to(torch.uint8))
        rewards.append(model.twohot.mean(env.reward(context)))
        conts.append(cont)
    cont = torch.stack(conts)  # (H, R, A)
    return ImaginedRollout(
        h=torch.stack(states),
        z=torch.stack(latents),
        avail=torch.stack(masks),
        action=torch.stack(actions),
        log_prob=torch.stack(log_probs),
        reward=torch.stack(rewards),
        cont=cont,
        weight=weights(start, cont, model.config),
    )


def foreseen(
    env: EnvironmentModule, h: Tensor, there: Tensor | None, uniform: Tensor
) -> tuple[Tensor, Tensor]:
    """What is foreseen of h (R, A, D): z (R, A, K) and what the heads read (R, A, D) [Eq. 2]."""
    return sample_classes(env.prior(h, there).exp(), uniform), env.context(h, there)


def uniform_numbers(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Numbers in [0, 1) from an owned generator, on its device."""
    return torch.rand(shape, generator=generator, device=generator.device)


def weights(start: Start, cont: Tensor, config: Config) -> Tensor:
    """How much (H, R, A) each decision counts: as its rollout [code], or as the agent is there."""
    if not ends(config):
        return start.weight.expand_as(cont)
    return torch.cat([start.weight[None], cont[:-1]]).cumprod(0)


def sampled_mask(logits: Tensor, uniform: Tensor, must_choose: bool) -> Tensor:
    """Actions (..., U) that are available, each drawn by itself.

    From logits (..., U) and uniform numbers (..., U). Where an agent `must_choose` it is at least
    the likeliest one [code: codes/world_model.py]; of numbers there may be none.
    """
    drawn = uniform < logits.sigmoid()
    return drawn | (logits == logits.amax(-1, keepdim=True)) if must_choose else drawn


@torch.no_grad()
def advantages(
    critic: Critic, rollout: ImaginedRollout, config: Config, spec: EnvSpec
) -> tuple[Tensor, Tensor]:
    """Advantages, standardised for each agent, and value targets (H, R, A) [Eqs. 7, 9].

    A shared reward is the mean of what the heads of the agents that are there predict of it.
    """
    value = critic.value(rollout.h, rollout.z.long())  # (H+1, R, A)
    reward, weight = rollout.reward, rollout.weight
    assert weight is not None, "imagined decisions are weighed"
    if spec.reward == "team" or config.share_reward:
        share = weight / weight.sum(-1, keepdim=True).clamp(min=1e-8)
        reward = (share * reward).sum(-1, keepdim=True).expand_as(reward)
    advantage = gae(reward, config.gamma * rollout.cont, value, config.gae_lambda)
    return standardise(advantage, weight), advantage + value[:-1]


def standardise(x: Tensor, weight: Tensor) -> Tensor:
    """Zero mean and unit deviation of each agent's weighted entries (H, R, A) [code]."""
    total = weight.sum((0, 1)).clamp(min=1)  # (A,)
    mean = (weight * x).sum((0, 1)) / total
    deviation = ((weight * (x - mean).square()).sum((0, 1)) / total).sqrt()
    return (x - mean) / (deviation + 1e-5)
