"""All that learns in QMIX: the agents' shared value network and the mixer of their values."""

from __future__ import annotations

from torch import nn

from marlbench.plugin import EnvSpec
from marlbench.toolbox.mixers import MonotonicMixer, NoMixer, SumMixer
from marlbench.toolbox.utility import Utility
from marlbench.toolbox.value_learning import ValueNetworks
from marlbench_qmix.config import QmixConfig

__all__ = ["networks"]


def networks(config: QmixConfig, spec: EnvSpec) -> ValueNetworks:
    """Build both for the task's shapes."""
    utility = Utility(spec, config.hidden, config.image_features)
    return ValueNetworks(utility, mixer(config, spec.num_agents, utility.state_features))


def mixer(config: QmixConfig, num_agents: int, state_features: int) -> nn.Module:
    """Build the mixer that the settings name."""
    if config.mixer == "none":
        return NoMixer()
    if config.mixer == "sum":
        return SumMixer()
    return MonotonicMixer(num_agents, state_features, config.mixer_embed, config.mixer_hyper)
