"""What the layers can tell apart, and what they are not told."""

from dataclasses import replace

import pytest
import torch

from marlbench.plugin import EnvSpec
from marlbench_dmawm.config import Config
from marlbench_dmawm.eyes import DeepDecoder, DeepEncoder
from marlbench_dmawm.networks import Actor, AgentModule, EnvironmentModule, observation_encoder

SPEC = EnvSpec(num_agents=4, obs_shape=(12,), num_actions=9, episode_limit=25)


def test_the_encoder_tells_an_observation_from_its_double() -> None:
    """LayerNorm behind a linear map without bias would see the same vector twice."""
    torch.manual_seed(0)
    encoder, features = observation_encoder(Config(units=64), SPEC)
    assert features == 64
    obs = torch.randn(256, 12)
    once, twice = encoder(obs), encoder(2 * obs)
    apart = (once - twice).norm(dim=-1) / once.norm(dim=-1)
    assert apart.min() > 0.05  # at most 0.002 without the constant, by LayerNorm's eps


@torch.no_grad()
def test_what_is_newly_seen_moves_h_as_much_as_what_is_done() -> None:
    """Heads and critic know the world through h alone.

    Summed with an embedded action of unit variance before one normalisation, behind a gate that
    starts shut, another z moved h a quarter as far as another action.
    """
    torch.manual_seed(0)
    config = Config(deter=128, units=256)
    module, many = AgentModule(config, SPEC), 256
    h = 0.3 * torch.randn(many, config.deter)
    z, other_z = torch.randint(config.classes, (2, many, config.latents))
    action, other_action = torch.randint(SPEC.num_actions, (2, many))
    other_action = torch.where(action == other_action, (action + 1) % 9, other_action)
    after = module.next(h, z, action)
    by_z = (module.next(h, other_z, action) - after).norm(dim=-1).mean()
    by_action = (module.next(h, z, other_action) - after).norm(dim=-1).mean()
    assert by_z > 0.8 * by_action
    assert by_z > 0.3 * (after - h).norm(dim=-1).mean()  # the gate is half open


def test_the_policy_is_the_softmax_of_its_logits_with_nothing_mixed_in() -> None:
    """With a share of the uniform no action would ever be less likely than 0.1 %."""
    torch.manual_seed(0)
    actor = Actor(Config(deter=32, units=32, policy_units=32), SPEC)
    torch.nn.init.normal_(actor.out.weight, std=3.0)
    h, z = torch.randn(64, 32), torch.randint(32, (64, 32))
    avail = torch.rand(64, SPEC.num_actions) < 0.7
    avail[:, 0] = True
    policy = actor(h, z, avail).log_probs
    logits = actor.out(actor.reader(h, z)).masked_fill(~avail, -torch.inf)
    torch.testing.assert_close(policy.exp(), logits.softmax(-1))
    assert policy[avail].exp().min() < 1e-4


@pytest.mark.parametrize("agent_index", [False, True])
def test_agents_are_a_set_where_they_are_not_told_their_index(agent_index: bool) -> None:
    torch.manual_seed(0)
    config = Config(deter=32, units=32, decoder_units=32, heads=4, agent_index=agent_index)
    environment = EnvironmentModule(config, SPEC).double()
    h = torch.randn(5, SPEC.num_agents, 32).double()
    swapped = environment.prior(h[:, [2, 0, 3, 1]])
    same = torch.allclose(swapped, environment.prior(h)[:, [2, 0, 3, 1]])
    assert same != agent_index


def test_pictures_are_read_around_half_by_default() -> None:
    images = replace(SPEC, obs_shape=(44, 44, 3), obs_dtype="uint8")
    module = AgentModule(Config(deter=16, units=16, heads=4), images)
    seen = torch.randint(256, (2, 44, 44, 3), dtype=torch.uint8)
    torch.testing.assert_close(module.target(seen), seen / 255 - 0.5)


@pytest.mark.parametrize(("shape", "features"), [((44, 44, 3), 512), ((88, 60, 1), 5 * 3 * 128)])
def test_the_authors_cnn_has_their_sizes_and_its_mirror_gives_the_picture_back(
    shape: tuple[int, int, int], features: int
) -> None:
    torch.manual_seed(0)
    encoder, decoder = DeepEncoder(shape), DeepDecoder(shape, 32)
    images = torch.rand(2, 3, *shape) - 0.5
    assert encoder.features == features
    read = encoder(images)
    assert read.shape == (2, 3, features)
    alone = encoder(images[1:, 2])
    torch.testing.assert_close(read[1:, 2], alone)  # float32 sums in another order
    drawn = decoder(torch.randn(2, 3, 32))
    assert drawn.shape == images.shape
    assert drawn.abs().max() <= 0.5
    widths = [layer.out_channels for layer in encoder.convolutions if hasattr(layer, "kernel_size")]
    assert widths == [64, 96, 128, 128]


def test_pictures_too_small_for_the_authors_cnn_get_a_margin() -> None:
    encoder, decoder = DeepEncoder((12, 44, 3)), DeepDecoder((12, 44, 3), 9)
    assert encoder(torch.randn(2, 12, 44, 3)).shape == (2, 128 * 1 * 2)
    assert decoder(torch.randn(2, 9)).shape == (2, 12, 44, 3)


def test_agents_share_their_parameters() -> None:
    """A team of nine has the agent module and the actor of a team of four."""
    config = Config(deter=16, units=16, policy_units=16, heads=4)
    larger = replace(SPEC, num_agents=9)
    for module in (AgentModule, Actor):
        four, nine = (
            {name: value.shape for name, value in module(config, spec).named_parameters()}
            for spec in (SPEC, larger)
        )
        assert four == nine
