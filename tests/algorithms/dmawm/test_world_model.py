"""The hoisted, merged, gathered model against the plain loop of the paper, in float64."""

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor, nn

from marlbench.plugin import EnvSpec
from marlbench.toolbox.latents import sample_classes
from marlbench_dmawm import plain
from marlbench_dmawm.absorbing import Batch
from marlbench_dmawm.config import Config
from marlbench_dmawm.world_model import States, WorldModel


def last_weight(network: nn.Module) -> Tensor:
    """The weight of a perceptron's output layer."""
    return list(network.parameters())[-2]


@pytest.fixture(params=[False, True])
def model(config: Config, spec: EnvSpec, request: pytest.FixtureRequest) -> WorldModel:
    torch.manual_seed(0)
    changed = {"free_nats": 0.05, "symlog_input": request.param, "agent_index": request.param}
    changed |= {"small_rewards": 4.0} if request.param else {}
    model = WorldModel(config.model_copy(update=changed), spec).double()
    model.reward_unit.fill_(0.5 if request.param else 1.0)
    torch.nn.init.normal_(last_weight(model.environment.reward), std=0.3)  # it starts at zero
    return model


@pytest.fixture
def uniform(batch: Batch, config: Config) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(
        (*batch.reward.shape, config.latents), generator=generator, dtype=torch.float64
    )


def test_states_equal_the_plain_loops(model: WorldModel, batch: Batch, uniform: Tensor) -> None:
    states, expected = model.observe(batch, uniform), plain.states(model, batch, uniform)
    torch.testing.assert_close(states.h, expected.h)  # float64 defaults: 1e-7
    assert torch.equal(states.z, expected.z)
    torch.testing.assert_close(states.log_q, expected.log_q)


def test_the_plain_loops_mix_no_windows(model: WorldModel, batch: Batch, uniform: Tensor) -> None:
    """Of each window by itself they say the same; agents meet in attention alone, see below."""
    together = plain.states(model, batch, uniform)
    for b in range(batch.reward.shape[1]):
        one = Batch(*(getattr(batch, field.name)[:, b : b + 1] for field in fields(batch)))
        alone = plain.states(model, one, uniform[:, b : b + 1])
        # float64 and products of other shapes
        torch.testing.assert_close(alone.h[:, 0], together.h[:, b], rtol=1e-12, atol=1e-12)
        assert torch.equal(alone.z[:, 0], together.z[:, b])


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
    expected = plain.model_loss(model, batch, uniform)
    # float64 and sums of some hundred terms in another order
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    names, parameters = zip(*model.named_parameters(), strict=True)
    fast = torch.autograd.grad(loss, parameters)
    slow = torch.autograd.grad(expected, parameters)
    for name, ours, theirs in zip(names, fast, slow, strict=True):
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
