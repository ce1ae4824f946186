"""DMAWM as its equations are written, time step by time step: what the learner is held to.

Nothing is hoisted out of the loop over time, no two products are merged, and latent states and
actions are one-hots. Tests compare the learner with it in float64, `marlbench bench` its speed, on
the same device in the same run. It knows vectors, discrete actions and the paper's components; of
the learner it takes the networks, the noise and the order of work.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Categorical, Independent, kl_divergence

from marlbench.plugin import EnvSpec
from marlbench.toolbox.optimisers import Adam
from marlbench.toolbox.ppo import ImaginedRollout, PPOBatch
from marlbench.toolbox.training import descend
from marlbench_dmawm.absorbing import Batch
from marlbench_dmawm.agent import Dmawm
from marlbench_dmawm.attention import AgentTransformer, Block
from marlbench_dmawm.config import Config
from marlbench_dmawm.imagination import Start, sampled_mask, uniform_numbers, weights
from marlbench_dmawm.networks import (
    ActionReader,
    Actor,
    AgentModule,
    ClassReader,
    Critic,
    EnvironmentModule,
    StateReader,
)
from marlbench_dmawm.policy import PolicyLearner
from marlbench_dmawm.twohot import TwoHot
from marlbench_dmawm.world_model import States, WorldModel

__all__ = ["PlainDmawm", "imagined", "model_loss", "states"]


class PlainDmawm(Dmawm):
    """The same learner with every loop as it is written, and Adam not fused."""

    def __init__(self, config: Config, spec: EnvSpec, seed: int, device: str) -> None:
        """Raises ValueError for what the plain loops do not know."""
        paper = config.absorbing_state and (config.predictor, config.critic) == ("transformer",) * 2
        if not paper or spec.actions != "discrete" or spec.obs_dtype == "uint8":
            msg = "the plain loops know vectors, discrete actions and no ablation"
            raise ValueError(msg)
        super().__init__(config, spec, seed, device)
        self.policy = PlainPolicyLearner(config, self.policy.actor, self.policy.critic)
        self.optimiser = Adam(self.model.parameters(), config.model_lr, eps=config.model_eps)

    def encode(self, batch: Batch) -> States:
        """The states of a batch, z drawn of the posterior."""
        return states(self.model, batch, self.uniform(batch))

    def model_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The world model's objective."""
        return model_loss(self.model, batch, self.uniform(batch)), {}

    def imagined(self, start: Start) -> ImaginedRollout:
        """Rollouts of the policy in the model."""
        horizon = self.config.horizon
        return imagined(self.model, self.policy.actor, start, horizon, self.generator)


class PlainPolicyLearner(PolicyLearner):
    """PPO by torch's distributions and dense targets."""

    def __init__(self, config: Config, actor: Actor, critic: Critic) -> None:
        super().__init__(config, actor, critic)
        self.actor_optimiser = Adam(actor.parameters(), config.actor_lr, eps=config.policy_eps)
        self.critic_optimiser = Adam(critic.parameters(), config.critic_lr, eps=config.policy_eps)

    def step(self, data: PPOBatch) -> dict[str, Tensor]:
        """One gradient step of actor [Eq. 8] and critic [Eq. 9]."""
        c, weight = self.config, data.weight
        assert weight is not None, "decisions are weighed"
        z = F.one_hot(data.z.long(), c.classes).to(data.h.dtype)  # (N, A, K, C)
        policy = decided(self.actor, data.h, z, data.avail)
        ratio = (policy.log_prob(data.action) - data.log_prob).exp()  # (N, A)
        clipped = ratio.clamp(1 - c.clip, 1 + c.clip)
        gain = torch.minimum(ratio * data.advantage, clipped * data.advantage)
        actor_loss = -(weight * (gain + c.entropy_coef * policy.entropy())).mean()
        value = self.critic.out(attend(self.critic.encoder, data.h))  # (N, A, bins)
        critic_loss = (weight * twohot_loss(self.critic.twohot, value, data.target)).mean()
        descend(actor_loss, self.actor_optimiser, c.max_grad_norm)
        descend(critic_loss, self.critic_optimiser, c.max_grad_norm)
        return {"actor_loss": actor_loss.detach(), "critic_loss": critic_loss.detach()}


# The world model


def states(model: WorldModel, batch: Batch, uniform: Tensor) -> States:
    """The states that the agents reach on a batch, from uniforms (T, B, A, K) [Eq. 1]."""
    hs, zs, qs = zip(*unrolled(model, batch, uniform), strict=True)
    return States(torch.stack(hs), torch.stack(zs).argmax(-1), torch.stack(qs).log())


def unrolled(
    model: WorldModel, batch: Batch, uniform: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Of each time step h (B, A, D), z (B, A, K, C) straight through and q (B, A, K, C) [Eq. 1]."""
    agent, c = model.agent, model.config
    actions = len(cast(ActionReader, agent.read_action).linear.weight)
    agents = batch.reward.shape[1:]
    h = batch.reward.new_zeros(*agents, c.deter)
    z = batch.reward.new_zeros(*agents, c.latents, c.classes)
    action = batch.reward.new_zeros(*agents, actions)
    for t in range(len(batch.reward)):
        keep = (~batch.joined[t]).to(h.dtype)[:, None, None]  # (B, 1, 1)
        h = next_state(agent, h * keep, z * keep[..., None], action * keep)
        q = posterior(agent, h, batch.obs[t])
        z = drawn(q, uniform[t]) + q - q.detach()
        action = F.one_hot(batch.action[t], actions).to(h.dtype)
        yield h, z, q


def model_loss(model: WorldModel, batch: Batch, uniform: Tensor) -> Tensor:
    """Eq. 3, a time step after the other, from uniforms (T, B, A, K) [Eqs. 3-6]."""
    env, c = model.environment, model.config
    weight_reward = c.small_rewards if model.reward_unit < 1 else 1.0
    masked = batch.told * batch.seen
    total = batch.reward.new_zeros(())
    for t, (h, z, q) in enumerate(unrolled(model, batch, uniform)):
        p = prior(env, h)
        dyn = latent_kl(q.detach(), p).clamp(min=c.free_nats)  # (B, A)
        rep = latent_kl(q, p.detach()).clamp(min=c.free_nats)
        error = env.decoder_out(read_state(env.decoder, h, z)) - squashed(batch.obs[t])
        obs = error.square().sum(-1)
        context = attend(env.contextualise, h)  # (B, A, D)
        aim = batch.reward[t] / model.reward_unit
        reward = twohot_loss(model.twohot, env.reward(context), aim)
        cont = F.binary_cross_entropy(
            env.cont(context).sigmoid().squeeze(-1), batch.cont[t], reduction="none"
        )
        avail = F.binary_cross_entropy(
            env.avail(context).sigmoid(), batch.avail[t].to(h.dtype), reduction="none"
        ).sum(-1)
        seen = c.beta_dyn * dyn + c.beta_rep * rep + c.beta_dec * obs
        total = total + (batch.seen[t] * seen).sum() / batch.seen.sum().clamp(min=1)
        told = c.beta_dec * (weight_reward * reward + cont)
        total = total + (batch.told[t] * told).sum() / batch.told.sum().clamp(min=1)
        total = total + (masked[t] * c.beta_dec * avail).sum() / masked.sum().clamp(min=1)
    return total


def next_state(agent: AgentModule, h: Tensor, z: Tensor, action: Tensor) -> Tensor:
    """The h (..., D) behind h, z (..., K, C) and an action (..., U), read apart [Eq. 1]."""
    x = [read(agent.read_latent, z.flatten(-2))]
    x += [read(cast(ActionReader, agent.read_action), action)]
    weight = torch.cat([agent.gru.weight_x, agent.gru.weight_h], 1)
    parts = agent.gru.norm(torch.cat([*x, h], -1) @ weight.T)  # (..., 3 D)
    reset, candidate, update = parts.chunk(3, -1)
    update = update.sigmoid()
    return update * torch.tanh(reset.sigmoid() * candidate) + (1 - update) * h


def posterior(agent: AgentModule, h: Tensor, obs: Tensor) -> Tensor:
    """Probabilities q (..., K, C) of h (..., D) and what is seen (..., O) [Eq. 1]."""
    embed = agent.encoder(squashed(obs) if agent.config.symlog_input else obs)
    weight = torch.cat([agent.read_state.weight, agent.read_obs.weight], 1)
    hidden = agent.posterior_hidden(torch.cat([h, embed], -1) @ weight.T)
    return mixed(agent.posterior_out(hidden), agent.config)


def prior(env: EnvironmentModule, h: Tensor) -> Tensor:
    """Probabilities p (..., A, K, C) that are foreseen of all agents' h (..., A, D) [Eq. 2]."""
    return mixed(env.predictor_out(attend(env.predictor, h)), env.config)


# Imagination


@torch.no_grad()
def imagined(
    model: WorldModel, actor: Actor, start: Start, horizon: int, generator: torch.Generator
) -> ImaginedRollout:
    """Rollouts of the policy in the model, all heads within the loop [section 4.3]."""
    agent, env, c = model.agent, model.environment, model.config
    actions = start.avail.shape[-1]
    h, avail = start.h, start.avail
    z = F.one_hot(start.z, c.classes).to(h.dtype)  # (R, A, K, C)
    action_noise = actor.decision.own_noise(generator, (horizon, *avail.shape)).to(h.dtype)
    latent_noise = uniform_numbers((horizon, *start.z.shape), generator)
    mask_noise = uniform_numbers((horizon, *avail.shape), generator)
    uniform_numbers((horizon, *avail.shape[:-1]), generator)  # of continuations, for an ablation
    rows: list[tuple[Tensor, ...]] = []
    for t in range(horizon):
        policy = decided(actor, h, z, avail)
        action = (policy.logits + action_noise[t]).argmax(-1)  # (R, A)
        taken = F.one_hot(action, actions).to(h.dtype)
        here = (h, z.argmax(-1).to(torch.uint8), avail, action, policy.log_prob(action))
        h = next_state(agent, h, z, taken)
        z = drawn(prior(env, h), latent_noise[t])
        context = attend(env.contextualise, h)
        avail = sampled_mask(env.avail(context), mask_noise[t], must_choose=True)
        reward = model.twohot.mean(env.reward(context))
        rows.append((*here, reward, env.cont(context).squeeze(-1).sigmoid()))
    hs, zs, masks, taken_at, log_probs, rewards, conts = map(torch.stack, zip(*rows, strict=True))
    return ImaginedRollout(
        h=torch.cat([hs, h[None]]),
        z=torch.cat([zs, z.argmax(-1).to(torch.uint8)[None]]),
        avail=masks,
        action=taken_at,
        log_prob=log_probs,
        reward=rewards,
        cont=conts,
        weight=weights(start, conts, c),
    )


def decided(actor: Actor, h: Tensor, z: Tensor, avail: Tensor) -> Categorical:
    """The policy of h (..., D), z (..., K, C) over the available actions (..., U)."""
    logits = actor.out(read_state(actor.reader, h, z))
    return Categorical(logits=logits.masked_fill(~avail, -1e9))


# Layers


def attend(encoder: AgentTransformer | None, h: Tensor) -> Tensor:
    """The transformer over agents' h (..., A, D), attention as it is defined [A.3]."""
    assert encoder is not None, "the paper's components have one"
    x = h if encoder.position is None else h + encoder.position
    for block in cast("list[Block]", list(encoder.blocks)):
        query, key, value = (
            part.unflatten(-1, (block.heads, -1)).transpose(-3, -2)  # (..., heads, A, D / heads)
            for part in block.qkv(block.norm_attention(x)).chunk(3, -1)
        )
        scores = query @ key.mT / query.shape[-1] ** 0.5
        mix = (scores.softmax(-1) @ value).transpose(-3, -2).flatten(-2)  # (..., A, D)
        x = x + block.project(mix)
        x = x + block.contract(F.gelu(block.expand(block.norm_feedforward(x))))
    return encoder.norm(x)


def read(reader: ClassReader, onehots: Tensor) -> Tensor:
    """Features (..., F) of one-hots (..., K C), zeros included, by a dense product."""
    return reader.norm(onehots @ reader.linear.weight)


def read_state(reader: StateReader, h: Tensor, z: Tensor) -> Tensor:
    """Features (..., F) of h (..., D) and one-hots (..., K, C) by dense products."""
    features = reader.norm(reader.read_state(h) + z.flatten(-2) @ reader.read_latent.weight)
    return features if reader.rest is None else reader.rest(features)


def mixed(logits: Tensor, config: Config) -> Tensor:
    """Probabilities (..., K, C) of logits (..., K C), with their share of the uniform."""
    probs = logits.unflatten(-1, (config.latents, config.classes)).softmax(-1)
    return (1 - config.unimix) * probs + config.unimix / config.classes


def drawn(probs: Tensor, uniform: Tensor) -> Tensor:
    """One-hots (..., K, C): the first class whose cumulative probability exceeds the uniform."""
    cumulative = probs.detach().cumsum(-1)
    reached = (uniform * cumulative[..., -1])[..., None]
    index = torch.searchsorted(cumulative, reached, right=True).clamp(max=probs.shape[-1] - 1)
    return F.one_hot(index.squeeze(-1), probs.shape[-1]).to(probs.dtype)


def latent_kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) (...) of probabilities (..., K, C), summed over K."""
    return kl_divergence(*(Independent(Categorical(probs=each), 1) for each in (p, q)))


def squashed(obs: Tensor) -> Tensor:
    """`sign(x) ln(1 + |x|)`."""
    return obs.sign() * (1 + obs.abs()).log()


def twohot_loss(twohot: TwoHot, logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy (...) of logits (..., bins) to the dense two-hot vector of a target (...)."""
    bins = twohot.bins.to(logits.dtype)
    target = target.to(bins.dtype).clamp(bins[0], bins[-1])
    above = torch.searchsorted(bins, target.contiguous(), right=True).clamp(1, len(bins) - 1)
    low, high = bins[above - 1], bins[above]
    share = ((target - low) / (high - low)).unsqueeze(-1)
    dense = (1 - share) * F.one_hot(above - 1, len(bins)) + share * F.one_hot(above, len(bins))
    return -(dense * logits.log_softmax(-1)).sum(-1)
