"""The hoisted, merged, gathered model against the plain loop of the paper, in float64."""

from dataclasses import fields, replace
from typing import cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, kl_divergence

from marlbench.plugin import EnvSpec
from marlbench.toolbox.latents import sample_classes
from marlbench_dmawm.absorbing import Batch
from marlbench_dmawm.attention import AgentTransformer, Block
from marlbench_dmawm.config import Config
from marlbench_dmawm.networks import AgentModule, ClassReader, NumbersReader, StateReader
from marlbench_dmawm.world_model import States, WorldModel

Nested = list[list[list[Tensor]]]
"""By window, step and agent."""


def attend(encoder: AgentTransformer | None, h: Tensor) -> Tensor:
    """The transformer on one joint state (A, D), heads one at a time."""
    assert encoder is not None
    x = h if encoder.position is None else h + encoder.position
    for block in cast("list[Block]", list(encoder.blocks)):
        y = F.layer_norm(x, x.shape[-1:], block.norm_attention.weight, block.norm_attention.bias)
        query, key, value = (y @ block.qkv.weight.T + block.qkv.bias).chunk(3, -1)
        heads = []
        for q, k, v in zip(*(p.chunk(block.heads, -1) for p in (query, key, value)), strict=True):
            heads.append(torch.softmax(q @ k.T / q.shape[-1] ** 0.5, -1) @ v)
        x = x + block.project(torch.cat(heads, -1))
        y = F.layer_norm(
            x, x.shape[-1:], block.norm_feedforward.weight, block.norm_feedforward.bias
        )
        x = x + block.contract(F.gelu(block.expand(y)))
    return F.layer_norm(x, x.shape[-1:], encoder.norm.weight, encoder.norm.bias)


def mixed(logits: Tensor, config: Config) -> Tensor:
    """Probabilities (K, C) with their share of the uniform."""
    probs = logits.view(config.latents, config.classes).softmax(-1)
    return (1 - config.unimix) * probs + config.unimix / config.classes


def read(reader: ClassReader | NumbersReader, onehots: Tensor) -> Tensor:
    """Features (F,) of one-hots, zeros included, by a dense product."""
    assert isinstance(reader, ClassReader)
    x = onehots.flatten() @ reader.linear.weight
    norm = reader.norm.norm
    return F.silu(F.layer_norm(x, x.shape, norm.weight, norm.bias, 1e-3))


def next_state(agent: AgentModule, h: Tensor, onehots: Tensor, action: Tensor) -> Tensor:
    """One agent's h (D,) by the definition: z and a read apart, side by side [Eq. 1]."""
    x = torch.cat([read(agent.read_latent, onehots), read(agent.read_action, action)])
    both = torch.cat([agent.gru.weight_x, agent.gru.weight_h], 1)
    norm = agent.gru.norm
    parts = F.layer_norm(both @ torch.cat([x, h]), (3 * len(h),), norm.weight, norm.bias, 1e-3)
    reset, candidate, update = parts.split(len(h))
    update = torch.sigmoid(update)
    return update * torch.tanh(torch.sigmoid(reset) * candidate) + (1 - update) * h


def draw(probs: Tensor, uniform: Tensor) -> Tensor:
    """One-hots (K, C): the first class whose cumulative probability exceeds the uniform."""
    rows = []
    for p, u in zip(probs.detach(), uniform, strict=True):
        index = next(i for i in range(len(p)) if p[: i + 1].sum() > u * p.sum())
        rows.append(torch.eye(len(p), dtype=p.dtype)[index])
    return torch.stack(rows)


def naive_states(model: WorldModel, batch: Batch, uniform: Tensor) -> tuple[Nested, Nested, Nested]:
    """h, z, q of every window, step and agent by itself: everything inside the loops."""
    agent, config = model.agent, model.config
    hs: Nested = []
    zs: Nested = []
    qs: Nested = []
    actions = agent.read_action.linear.weight.shape[0]
    for b in range(batch.joined.shape[1]):
        hs.append([])
        zs.append([])
        qs.append([])
        for t in range(batch.joined.shape[0]):
            row: tuple[list[Tensor], ...] = ([], [], [])
            for i in range(batch.reward.shape[-1]):
                if batch.joined[t, b]:
                    h = torch.zeros(config.deter, dtype=torch.float64)
                    z = torch.zeros(config.latents, config.classes, dtype=torch.float64)
                    action = torch.zeros(actions, dtype=torch.float64)
                else:
                    h, z = hs[b][t - 1][i], zs[b][t - 1][i]
                    taken = batch.action[t - 1, b, i]
                    action = F.one_hot(taken, actions).double()
                h = next_state(agent, h, z, action)
                obs = batch.obs[t, b, i]
                squashed = obs.sign() * (1 + obs.abs()).log()
                embed = agent.encoder(squashed if config.symlog_input else obs)
                joint = torch.cat([agent.read_state.weight, agent.read_obs.weight], 1)
                hidden = agent.posterior_hidden(joint @ torch.cat([h, embed]))
                q = mixed(agent.posterior_out(hidden), config)
                sample = draw(q, uniform[t, b, i])
                for part, value in zip(row, (h, sample + q - q.detach(), q), strict=True):
                    part.append(value)
            for nested, agents in zip((hs, zs, qs), row, strict=True):
                nested[b].append(agents)
    return hs, zs, qs


def read_densely(reader: StateReader, h: Tensor, onehots: Tensor) -> Tensor:
    """Features of h (D,) and one-hots (K, C) by a dense product."""
    read = reader.norm(reader.read_state(h) + onehots.flatten() @ reader.read_latent.weight)
    return read if reader.rest is None else reader.rest(read)


def twohot_target(x: Tensor, bins: Tensor) -> Tensor:
    below = int((bins <= x).sum()) - 1
    share = (x - bins[below]) / (bins[below + 1] - bins[below])
    target = torch.zeros_like(bins)
    target[below], target[below + 1] = 1 - share, share
    return target


def kl(p: Tensor, q: Tensor) -> Tensor:
    p_z, q_z = (Independent(Categorical(probs=x), 1) for x in (p, q))
    return kl_divergence(p_z, q_z)


def naive_loss(model: WorldModel, batch: Batch, uniform: Tensor) -> Tensor:
    """Eq. 3 with its means, row by row, agent by agent."""
    env, c = model.environment, model.config
    hs, zs, qs = naive_states(model, batch, uniform)
    length, windows, agents = batch.reward.shape
    total = torch.zeros((), dtype=torch.float64)
    rows, told = batch.seen.sum(), batch.told.sum()
    masks = (batch.told * batch.seen).sum()
    for b in range(windows):
        for t in range(length):
            h = torch.stack(hs[b][t])  # (A, D)
            prior_logits = env.predictor_out(attend(env.predictor, h))
            context = attend(env.contextualise, h)
            for i in range(agents):
                q, p = qs[b][t][i], mixed(prior_logits[i], c)
                dyn = kl(q.detach(), p).clamp(min=c.free_nats)
                rep = kl(q, p.detach()).clamp(min=c.free_nats)
                hidden = read_densely(env.decoder, h[i], zs[b][t][i])
                obs = batch.obs[t, b, i]
                squashed = obs.sign() * (1 + obs.abs()).log()
                error = ((env.decoder_out(hidden) - squashed) ** 2).sum()
                reward_log_probs = env.reward(context[i]).log_softmax(-1)
                target = twohot_target(batch.reward[t, b, i], model.twohot.bins)
                cont = nn.functional.binary_cross_entropy(
                    env.cont(context[i]).sigmoid().squeeze(), batch.cont[t, b, i]
                )
                avail = nn.functional.binary_cross_entropy(
                    env.avail(context[i]).sigmoid(),
                    batch.avail[t, b, i].double(),
                    reduction="sum",
                )
                seen, knows = batch.seen[t, b, i], batch.told[t, b, i]
                total = total + seen * (c.beta_dyn * dyn + c.beta_rep * rep + error) / rows
                total = total + knows * (-(target * reward_log_probs).sum() + cont) / told
                total = total + knows * seen * avail / masks
    return total


def last_weight(network: nn.Module) -> Tensor:
    """The weight of a perceptron's output layer."""
    return list(network.parameters())[-2]


@pytest.fixture(params=[False, True])
def model(config: Config, spec: EnvSpec, request: pytest.FixtureRequest) -> WorldModel:
    torch.manual_seed(0)
    changed = {"free_nats": 0.05, "symlog_input": request.param, "agent_index": request.param}
    model = WorldModel(config.model_copy(update=changed), spec).double()
    torch.nn.init.normal_(last_weight(model.environment.reward), std=0.3)  # it starts at zero
    return model


@pytest.fixture
def uniform(batch: Batch, config: Config) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(
        (*batch.reward.shape, config.latents), generator=generator, dtype=torch.float64
    )


def test_states_equal_the_plain_loops(model: WorldModel, batch: Batch, uniform: Tensor) -> None:
    states = model.observe(batch, uniform)
    hs, zs, qs = (
        torch.stack([torch.stack([torch.stack(t) for t in b]) for b in part]).transpose(0, 1)
        for part in naive_states(model, batch, uniform)
    )
    torch.testing.assert_close(states.h, hs)  # float64 defaults: 1e-7
    torch.testing.assert_close(F.one_hot(states.z, zs.shape[-1]).double(), zs)
    torch.testing.assert_close(states.log_q.exp(), qs)


def test_the_fused_scan_is_the_two_verbs_in_turn(
    model: WorldModel, batch: Batch, uniform: Tensor
) -> None:
    """States, samples and posteriors of `unroll` are those of `next` and `infer`."""
    module, states = model.agent, model.observe(batch, uniform)
    embedding = module.embed(batch.obs)
    h = first = module.first_state().expand_as(states.h[0])
    for t, action in enumerate(batch.action):
        h = torch.where(batch.joined[t, :, None, None], first, h)
        log_q = module.infer(h, embedding[t])
        z = sample_classes(log_q.exp(), uniform[t])
        # float64 and products summed in another order
        torch.testing.assert_close(states.h[t], h, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(states.log_q[t], log_q, rtol=1e-12, atol=1e-12)
        assert torch.equal(states.z[t], z)
        h = module.next(h, z, action)


def test_loss_and_every_gradient_equal_the_plain_loops(
    model: WorldModel, batch: Batch, uniform: Tensor
) -> None:
    loss, _ = model.loss(batch, model.observe(batch, uniform))
    expected = naive_loss(model, batch, uniform)
    # float64 and sums of some hundred terms in another order
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    names, parameters = zip(*model.named_parameters(), strict=True)
    fast = torch.autograd.grad(loss, parameters)
    plain = torch.autograd.grad(expected, parameters)
    for name, ours, theirs in zip(names, fast, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-11, msg=name)
        assert ours.abs().sum() > 0, f"{name} is not trained"


def test_the_dynamics_loss_reaches_the_agent_module_through_h(
    model: WorldModel, batch: Batch, uniform: Tensor
) -> None:
    """Detaching h in the predictor would drop the mirroring gradient into psi [Eq. 4]."""
    dyn = model.latent_terms(model.observe(batch, uniform), present=None)["dyn"]
    (to_cell,) = torch.autograd.grad(dyn.sum(), model.agent.gru.weight_h)
    assert to_cell.abs().sum() > 0


def test_rows_without_weight_change_nothing(
    model: WorldModel, batch: Batch, uniform: Tensor
) -> None:
    before, _ = model.loss(batch, model.observe(batch, uniform))
    batch.obs[6, 1] = 99.0
    batch.reward[6, 1] = 99.0
    batch.cont[6, 1] = 1.0
    after, _ = model.loss(batch, model.observe(batch, uniform))
    assert torch.equal(before, after)


def test_posterior_and_state_of_an_agent_know_nothing_of_the_others(
    model: WorldModel, batch: Batch, uniform: Tensor
) -> None:
    """The factorised posterior: bit-identical whatever the other agents see and do [Eq. 1]."""
    before: States = model.observe(batch, uniform)
    batch.obs[:, :, 1:] = -77.0
    batch.action[:, :, 1:] = 0
    after = model.observe(batch, uniform)
    for name in ("h", "z", "log_q"):
        assert torch.equal(getattr(before, name)[:, :, 0], getattr(after, name)[:, :, 0])
        assert not torch.equal(getattr(before, name)[:, :, 1], getattr(after, name)[:, :, 1])


@pytest.fixture
def pictures(config: Config, spec: EnvSpec, batch: Batch) -> tuple[WorldModel, Batch]:
    """A model whose agents see pictures, and windows of them; the second has a row to leave out."""
    torch.manual_seed(0)
    weighed = config.model_copy(update={"image_obs": 0.25, "image_reward": 8.0})
    model = WorldModel(weighed, replace(spec, obs_shape=(24, 24, 3), obs_dtype="uint8"))
    generator = torch.Generator().manual_seed(2)
    seen = torch.randint(256, (*batch.reward.shape, 24, 24, 3), generator=generator)
    real = {
        field.name: value.float() if value.is_floating_point() else value
        for field in fields(batch)
        for value in [getattr(batch, field.name)]
    }
    return model, Batch(**{**real, "obs": seen.to(torch.uint8)})


def test_pictures_and_rewards_have_weights_of_their_own(
    pictures: tuple[WorldModel, Batch],
) -> None:
    model, batch = pictures
    loss, means = model.loss(batch, model.observe(batch, uniform=None))
    c = model.config
    expected = (
        c.beta_dyn * means["dyn"]
        + c.beta_rep * means["rep"]
        + c.beta_dec * (0.25 * means["obs"] + 8 * means["reward"] + means["cont"] + means["avail"])
    )
    torch.testing.assert_close(loss, expected)  # float32 defaults: six terms in another order


def test_vectors_know_no_weights_of_pictures(
    model: WorldModel, config: Config, spec: EnvSpec, batch: Batch, uniform: Tensor
) -> None:
    weighed = {"image_obs": 0.5, "image_reward": 3.0}
    other = WorldModel(model.config.model_copy(update=weighed), spec).double()
    other.load_state_dict(model.state_dict())
    loss, theirs = (each.loss(batch, each.observe(batch, uniform))[0] for each in (model, other))
    assert torch.equal(loss, theirs)
