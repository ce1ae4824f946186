"""Settings that several learners have in common: one name and one meaning for each.

A learner's config is one of these with the paper's own values where they differ, and with what is
the learner's own. It loads no torch.

| setting | meaning |
|---|---|
| `learning_rate`, `adam_eps`, `rmsprop_eps` | of a learner with one optimiser |
| `actor_lr`, `critic_lr`, `model_lr` | where there is an optimiser for each |
| `max_grad_norm` | length to which a gradient is cut |
| `gamma` | discount per env step |
| `gae_lambda`, `td_lambda` | weight of longer returns, in advantages and in targets |
| `entropy_coef`, `clip`, `epochs` | PPO: entropy bonus, clipping, passes over a batch |
| `minibatches`, `minibatch` | their number per pass; rows of each |
| `replay_gib` | memory that caps what the replay keeps |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from marlbench.plugin import AlgorithmConfig

__all__ = ["VALUE_SMOKE", "OnPolicyConfig", "PPOConfig", "ValueConfig", "WorldModelConfig"]


class ValueConfig(AlgorithmConfig):
    """Values learnt from whole episodes; `[Tables 5, 7]` are the DMAWM paper's."""

    gamma: float = Field(default=0.99, ge=0, le=1)
    """Discount per env step [Tables 5, 7]."""
    td_lambda: float = Field(default=0.0, ge=0, le=1)
    """Weight of longer returns in the target: 0 is one step, 1 is the whole episode [ours]."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """The optimiser's step size [Table 5]."""
    max_grad_norm: float = Field(default=10.0, gt=0)
    """Length to which the gradient of all weights together is cut [Tables 5, 7]."""
    batch_episodes: int = Field(default=32, ge=1)
    """Episodes per update [Table 7]."""
    replay_episodes: int = Field(default=5000, ge=1)
    """Newest episodes that are kept [Tables 5, 7]."""
    replay_gib: float = Field(default=24.0, gt=0)
    """Memory that caps `replay_episodes`; pages are taken as episodes come, up to this [ours]."""
    episodes_per_update: float = Field(default=1.0, gt=0)
    """Finished episodes, all copies together, per update; below 1: more updates [Table 7]."""
    target_update_episodes: int = Field(default=200, ge=1)
    """Least number of episodes between copies to the target networks [Tables 5, 7]."""
    epsilon_start: float = Field(default=1.0, ge=0, le=1)
    """Chance of a random action at the start [Tables 5, 7]."""
    epsilon_finish: float = Field(default=0.05, ge=0, le=1)
    """Chance of a random action in the end [Tables 5, 7]."""
    epsilon_anneal_steps: int = Field(default=50_000, ge=1)
    """Env steps from the one to the other, along a line [MBVD's public copy: mbvd.yaml]."""
    hidden: int = Field(default=64, ge=1)
    """Width of the agents' recurrent network [pymarl2]."""
    mixer_embed: int = Field(default=32, ge=1)
    """Width of the monotonic mixer [pymarl2]."""
    mixer_hyper: int = Field(default=64, ge=1)
    """Width of the networks that make the mixer's weights [pymarl2]."""
    image_features: int = Field(default=64, ge=1)
    """Length of the vector that an image becomes, for agents and as state [ours]."""

    @model_validator(mode="after")
    def batch_fits(self) -> ValueConfig:
        """Refuse a replay that can never fill a batch."""
        if self.replay_episodes < self.batch_episodes:
            raise ValueError("replay_episodes must be at least batch_episodes")
        return self


VALUE_SMOKE: Mapping[str, Any] = {
    "num_envs": 2,
    "batch_episodes": 2,
    "episodes_per_update": 1.0,
    "target_update_episodes": 4,
    "epsilon_anneal_steps": 300,
    "replay_gib": 1.0,
}
"""The preset `smoke` of learners of values [ours]."""


class PPOConfig(AlgorithmConfig):
    """Policies learnt by PPO; `[Tables 2, 3, 4, 6]` are the DMAWM paper's."""

    gamma: float = Field(default=0.99, ge=0, le=1)
    """Discount per env step [Tables 2, 3, 4, 6]."""
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    """Weight of longer returns in an advantage [Tables 2, 3, 4, 6]."""
    epochs: int = Field(default=5, ge=1)
    """Passes over a batch [Tables 2, 3, 4, 6, PPO epochs]."""
    clip: float = Field(default=0.2, gt=0)
    """Farthest that a ratio counts from 1, and a rollout's value from its old one [the same]."""
    entropy_coef: float = Field(default=0.01, ge=0)
    """Weight of the entropy bonus [Tables 2, 3, 4]."""


class OnPolicyConfig(PPOConfig):
    """PPO on rollouts; `[Tables 3, 4]` are the DMAWM paper's, `code` onpolicy/config.py@de66d7a."""

    num_envs: int = Field(default=8, ge=1)
    """Copies of the environment that are played in lockstep [Tables 3, 4, parallel workers]."""
    rollout_steps: int = Field(default=400, ge=1)
    """Transitions of each copy per update, across borders of episodes [Tables 3, 4, length]."""
    minibatches: int = Field(default=1, ge=1)
    """Gradient steps per pass [code]."""
    bootstrap_timeouts: bool = False
    """Whether a time-out is worth its last observation's value, not nothing [code: it is not]."""
    huber_delta: float = Field(default=10.0, gt=0)
    """Error, in normalised units, from which the value loss is linear [code]."""
    value_norm_beta: float = Field(default=0.99999, ge=0, lt=1)
    """Decay of the moving moments of returns, once per gradient step [code]."""
    adam_eps: float = Field(default=1e-5, gt=0)
    """Adam's epsilon [code]."""
    max_grad_norm: float = Field(default=10.0, gt=0)
    """Gradient norm, of each optimiser's weights, above which it is scaled down [Tables 3, 4]."""


class WorldModelConfig(PPOConfig):
    """PPO in a world model's imagination; `[Tables 2, 6]` are the DMAWM paper's."""

    buffer: int = Field(default=250_000, ge=1)
    """Steps that the replay holds, all copies together [Tables 2, 6]."""
    replay_gib: float = Field(default=24.0, gt=0)
    """Memory that caps `buffer`; pages are taken as steps come, up to this [ours]."""
    latents: int = Field(default=32, ge=1)
    """Categoricals K of the stochastic state z [Table 2; MAMBA's code]."""
    classes: int = Field(default=32, ge=2, le=256)
    """Classes C of each categorical [Table 2; MAMBA's code]."""
    layers: int = Field(default=3, ge=1)
    """Blocks of each transformer over the agents [Table 2; MAMBA's code]."""
    heads: int = Field(default=8, ge=1)
    """Heads of every attention [Table 2; MAMBA's code]."""
    model_lr: float = Field(default=1e-4, gt=0)
    """Adam's step size for the world model [Table 2]."""
    actor_lr: float = Field(default=3e-5, gt=0)
    """Adam's step size for the actor [Table 2]."""
    critic_lr: float = Field(default=3e-5, gt=0)
    """Adam's step size for the critic [Table 2]."""
    max_grad_norm: float = Field(default=100.0, gt=0)
    """Gradient norm above which model, actor and critic are each scaled down [Tables 2, 6]."""
