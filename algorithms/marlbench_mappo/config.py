"""MAPPO's settings: the benchmark paper's Table 3, and the reference's own where it is silent.

`code` is the public reference, onpolicy/config.py@de66d7a.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from marlbench.plugin import AlgorithmConfig


class MappoConfig(AlgorithmConfig):
    """Recurrent MAPPO."""

    num_envs: int = Field(default=8, ge=1)
    """Copies of the environment that are played in lockstep [Table 3, parallel workers]."""
    rollout_steps: int = Field(default=400, ge=1)
    """Transitions of each copy per update, across borders of episodes [Table 3, length]."""
    recurrent: bool = True
    """Whether actor and critic have a GRU; off: both see one step [Table 3, use RNN]."""
    central_value: bool = True
    """Whether the critic sees the state (or all observations); off is IPPO [Yu et al. 2022]."""
    chunk: int = Field(default=10, ge=1)
    """Steps through which the GRU is trained at a time; divides `rollout_steps` [code]."""
    epochs: int = Field(default=5, ge=1)
    """Passes over a rollout per update [Table 3, PPO epochs]."""
    minibatches: int = Field(default=1, ge=1)
    """Gradient steps per pass [code]."""
    gamma: float = Field(default=0.99, ge=0, le=1)
    """Discount per env step [Table 3]."""
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    """Weight of longer returns in an advantage [Table 3]."""
    bootstrap_timeouts: bool = False
    """Whether a time-out is worth its last observation's value, not nothing [code: it is not]."""
    clip: float = Field(default=0.2, gt=0)
    """Farthest that a ratio counts from 1, and a value from its old one [Table 3]."""
    entropy_coef: float = Field(default=0.01, ge=0)
    """Weight of the entropy bonus [Table 3]."""
    huber_delta: float = Field(default=10.0, gt=0)
    """Error, in normalised units, from which the value loss is linear [code]."""
    value_norm_beta: float = Field(default=0.99999, ge=0, lt=1)
    """Decay of the moving moments of returns, once per gradient step [code]."""
    actor_lr: float = Field(default=5e-4, gt=0)
    """Adam's step size for the actor [Table 3]."""
    critic_lr: float = Field(default=5e-4, gt=0)
    """Adam's step size for the critic [Table 3]."""
    adam_eps: float = Field(default=1e-5, gt=0)
    """Adam's epsilon, of both optimisers [code]."""
    max_grad_norm: float = Field(default=10.0, gt=0)
    """Gradient norm, of actor and critic apart, above which it is scaled down [Table 3]."""
    hidden: int = Field(default=64, ge=1)
    """Width of every layer and of the GRU [code]."""
    extra_layers: int = Field(default=1, ge=0)
    """Hidden layers after the first [code, layer_N]."""
    action_gain: float = Field(default=0.01, gt=0)
    """Scale of the action head's starting weights [code]."""

    @model_validator(mode="after")
    def _chunks_fit(self) -> MappoConfig:
        if self.recurrent and self.rollout_steps % self.chunk:
            raise ValueError(
                f"rollout_steps={self.rollout_steps} must be a multiple of chunk={self.chunk}"
            )
        return self
