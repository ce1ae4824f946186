"""What the layers can tell apart."""

import torch

from marlbench.plugin import EnvSpec
from marlbench_dmawm.config import Config
from marlbench_dmawm.networks import observation_encoder


def test_the_encoder_tells_an_observation_from_its_double() -> None:
    """LayerNorm behind a linear map without bias would see the same vector twice."""
    spec = EnvSpec(num_agents=2, obs_shape=(12,), num_actions=5, episode_limit=25)
    torch.manual_seed(0)
    encoder, features = observation_encoder(Config(units=64), spec)
    assert features == 64
    obs = torch.randn(256, 12)
    once, twice = encoder(obs), encoder(2 * obs)
    apart = (once - twice).norm(dim=-1) / once.norm(dim=-1)
    assert apart.min() > 0.05  # at most 0.002 without the constant, by LayerNorm's eps
