"""Settings of MBVD: the defaults are the DMAWM paper's and the public copy's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from marlbench.plugin import AlgorithmConfig

__all__ = ["PRESETS", "MbvdConfig"]


class MbvdConfig(AlgorithmConfig):
    """MBVD; `[Table 7]` is that of the DMAWM paper, `[copy]` the public code at 0cac5dd."""

    num_envs: int = Field(default=1, ge=1)
    """Copies of the environment that are played in lockstep [copy: default.yaml]."""
    gamma: float = Field(default=0.99, ge=0, le=1)
    """Discount per env step [Table 7]."""
    td_lambda: float = Field(default=0.0, ge=0, le=1)
    """Weight of longer returns in the target: 0 is one step [copy: mbvd_learner.py]."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Step size of RMSProp, for values and latent model alike [Table 7]."""
    rmsprop_decay: float = Field(default=0.99, ge=0, lt=1)
    """Share of RMSProp's mean square that a step keeps [copy: default.yaml, optim_alpha]."""
    rmsprop_epsilon: float = Field(default=1e-5, gt=0)
    """RMSProp's epsilon, added to the root [copy: default.yaml]."""
    max_grad_norm: float = Field(default=10.0, gt=0)
    """Length to which the gradient of all weights together is cut [Table 7]."""
    batch_episodes: int = Field(default=32, ge=1)
    """Episodes per update [Table 7]."""
    replay_episodes: int = Field(default=5000, ge=1)
    """Newest episodes that are kept [Table 7]."""
    replay_gib: float = Field(default=24.0, gt=0)
    """Room that caps `replay_episodes`; pages are taken as episodes come, up to this [ours]."""
    episodes_per_update: float = Field(default=1.0, gt=0)
    """Finished episodes, all copies together, per update; below 1: more updates [Table 7]."""
    target_update_episodes: int = Field(default=200, ge=1)
    """Least number of episodes between copies of the weights to the target networks [Table 7]."""
    epsilon_start: float = Field(default=1.0, ge=0, le=1)
    """Chance of a random action at the start [Table 7]."""
    epsilon_finish: float = Field(default=0.05, ge=0, le=1)
    """Chance of a random action in the end [Table 7]."""
    epsilon_anneal_steps: int = Field(default=50_000, ge=1)
    """Env steps from the one to the other, along a line [copy: mbvd.yaml]."""
    hidden: int = Field(default=64, ge=1)
    """Width of the agents' recurrent network [copy: default.yaml]."""
    mixer_embed: int = Field(default=32, ge=1)
    """Width of the monotonic mixer [copy: mbvd.yaml]."""
    mixer_hyper: int = Field(default=64, ge=1)
    """Width of the networks that make the mixer's weights [copy: mbvd.yaml]."""
    horizon: int = Field(default=3, ge=1)
    """Steps that are imagined ahead of every env step [Table 7]."""
    kl_balance: float = Field(default=0.7, ge=0, le=1)
    """Weight of the prior's side of the KL term; the posterior's has the rest [Table 7]."""
    latent: int = Field(default=16, ge=1)
    """Size of an agent's latent state [copy: mbvd.yaml]."""
    action_embed: int = Field(default=4, ge=1)
    """Size of the vector that stands for an agent's action [copy: mbvd.yaml]."""
    model_hidden: int = Field(default=128, ge=1)
    """Width of the latent model's layers [copy: mbvd.yaml]."""
    joint_hidden: int = Field(default=128, ge=1)
    """Width of the two layers that read the latent states of all agents [copy: model.py]."""
    positive_histories: bool = True
    """Whether decoded recurrent states go through a ReLU, so that none is negative [copy]."""
    history: Literal["slow", "live"] = "slow"
    """Whose recurrent states the latent model describes: target or live networks' [copy]."""
    history_gradient: bool = True
    """Whether the model's losses go on into those networks; slow ones never learn [copy]."""
    past_end: bool = True
    """Whether the prior learns a step past the end of episodes but the batch's longest [copy]."""
    image_features: int = Field(default=64, ge=1)
    """Length of the vector that an image becomes, for agents and as state [ours]."""

    @model_validator(mode="after")
    def check(self) -> MbvdConfig:
        """Refuse a replay that can never fill a batch."""
        if self.replay_episodes < self.batch_episodes:
            raise ValueError("replay_episodes must be at least batch_episodes")
        return self


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {
        "num_envs": 8,
        "gamma": 0.9,
        "td_lambda": 0.6,
        "batch_episodes": 16,
        "episodes_per_update": 0.25,
        "target_update_episodes": 5,
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
