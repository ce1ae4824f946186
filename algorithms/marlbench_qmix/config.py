"""Settings of QMIX and its variants: the defaults are the paper's and PyMARL2's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from marlbench.plugin import AlgorithmConfig

__all__ = ["PRESETS", "QmixConfig"]


class QmixConfig(AlgorithmConfig):
    """QMIX; `[Table 5]` is that of the DMAWM paper, `[pymarl2]` its qmix.yaml at 8ccac7c."""

    num_envs: int = Field(default=8, ge=1)
    """Copies of the environment that are played in lockstep [pymarl2]."""
    mixer: Literal["monotonic", "sum", "none"] = "monotonic"
    """How agents' values become a joint one: QMIX, VDN or IQL [pymarl2]."""
    gamma: float = Field(default=0.99, ge=0, le=1)
    """Discount per env step [Table 5]."""
    td_lambda: float = Field(default=0.6, ge=0, le=1)
    """Weight of longer returns in the target: 0 is one step, 1 is the whole episode [Table 5]."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of Adam [Table 5]."""
    adam_epsilon: float = Field(default=1e-8, gt=0)
    """Adam's epsilon [pymarl2: PyTorch's default]."""
    max_grad_norm: float = Field(default=10.0, gt=0)
    """Length to which the gradient of all weights together is cut [Table 5]."""
    batch_episodes: int = Field(default=128, ge=1)
    """Episodes per update [Table 5]."""
    replay_episodes: int = Field(default=5000, ge=1)
    """Newest episodes that are kept [Table 5]."""
    replay_gib: float = Field(default=24.0, gt=0)
    """Room that caps `replay_episodes`; pages are taken as episodes come, up to this [ours]."""
    episodes_per_update: float = Field(default=8.0, gt=0)
    """Finished episodes, all copies together, per update; below 1: more updates [pymarl2]."""
    target_update_episodes: int = Field(default=200, ge=1)
    """Least number of episodes between copies of the weights to the target networks [Table 5]."""
    epsilon_start: float = Field(default=1.0, ge=0, le=1)
    """Chance of a random action at the start [Table 5]."""
    epsilon_finish: float = Field(default=0.05, ge=0, le=1)
    """Chance of a random action in the end [Table 5]."""
    epsilon_anneal_steps: int = Field(default=100_000, ge=1)
    """Env steps from the one to the other, along a line [pymarl2]."""
    hidden: int = Field(default=64, ge=1)
    """Width of the agents' recurrent network [pymarl2]."""
    mixer_embed: int = Field(default=32, ge=1)
    """Width of the monotonic mixer [pymarl2]."""
    mixer_hyper: int = Field(default=64, ge=1)
    """Width of the networks that make the mixer's weights [pymarl2]."""
    image_features: int = Field(default=64, ge=1)
    """Length of the vector that an image becomes, for agents and as state [ours]."""

    @model_validator(mode="after")
    def check(self) -> QmixConfig:
        """Refuse a replay that can never fill a batch."""
        if self.replay_episodes < self.batch_episodes:
            raise ValueError("replay_episodes must be at least batch_episodes")
        return self


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {
        "gamma": 0.9,
        "batch_episodes": 16,
        "episodes_per_update": 0.5,
        "target_update_episodes": 10,
        "epsilon_anneal_steps": 20_000,
        "replay_gib": 4.0,
    },
    "smoke": {
        "num_envs": 2,
        "batch_episodes": 2,
        "episodes_per_update": 1.0,
        "target_update_episodes": 4,
        "epsilon_anneal_steps": 300,
        "replay_gib": 1.0,
    },
}
"""Settings of the project's short presets [ours]; `paper` changes nothing."""
