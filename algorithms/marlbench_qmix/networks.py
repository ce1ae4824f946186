"""All that learns in QMIX: the agents' shared value network and the mixer of their values."""

from __future__ import annotations

import math

from torch import nn

from marlbench.plugin import EnvSpec
from marlbench.toolbox.mixers import MonotonicMixer, NoMixer, SumMixer
from marlbench.toolbox.utility import Utility
from marlbench_qmix.config import QmixConfig

__all__ = ["Networks"]


class Networks(nn.Module):
    """All that learns: one utility network for all agents, and their mixer."""

    def __init__(self, config: QmixConfig, spec: EnvSpec) -> None:
        """Build for the task's shapes; without a state of its own, what all agents see is it."""
        super().__init__()
        self.utility = Utility(spec, config.hidden, config.image_features)
        seen = (spec.num_agents, self.utility.features)
        self.mixer = mixer(config, spec.num_agents, math.prod(spec.state_shape or seen))


def mixer(config: QmixConfig, num_agents: int, state_features: int) -> nn.Module:
    """Build the mixer that the settings name."""
    if config.mixer == "none":
        return NoMixer()
    if config.mixer == "sum":
        return SumMixer()
    return MonotonicMixer(num_agents, state_features, config.mixer_embed, config.mixer_hyper)
