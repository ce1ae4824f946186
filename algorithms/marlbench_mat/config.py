"""MAT's settings: the benchmark paper's Table 4, and the reference's own where it is silent.

`code` is the public reference, onpolicy/config.py@de66d7a. Table 4 also says that a GRU is used;
the reference switches recurrence off for MAT, and so there is none here.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from marlbench.plugin import AlgorithmConfig


class MatConfig(AlgorithmConfig):
    """Multi-Agent Transformer."""

    num_envs: int = Field(default=8, ge=1)
    """Copies of the environment that are played in lockstep [Table 4, parallel workers]."""
    rollout_steps: int = Field(default=400, ge=1)
    """Transitions of each copy per update, across borders of episodes [Table 4, length]."""
    epochs: int = Field(default=5, ge=1)
    """Passes over a rollout per update [Table 4, PPO epochs]."""
    minibatches: int = Field(default=1, ge=1)
    """Gradient steps per pass [code]."""
    block: int = Field(default=4096, ge=1)
    """Joint steps that go forward and back together; the gradients of several such parts are
    summed, so that it changes memory and speed alone [ours]."""
    gamma: float = Field(default=0.99, ge=0, le=1)
    """Discount per env step [Table 4]."""
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    """Weight of longer returns in an advantage [Table 4]."""
    bootstrap_timeouts: bool = False
    """Whether a time-out is worth its last observation's value, not nothing [code: it is not]."""
    clip: float = Field(default=0.2, gt=0)
    """Farthest that a ratio counts from 1, and a value from its old one [Table 4]."""
    entropy_coef: float = Field(default=0.01, ge=0)
    """Weight of the entropy bonus [Table 4]."""
    value_coef: float = Field(default=1.0, ge=0)
    """Weight of the value loss beside the policy's [code]."""
    huber_delta: float = Field(default=10.0, gt=0)
    """Error, in normalised units, from which the value loss is linear [code]."""
    value_norm_beta: float = Field(default=0.99999, ge=0, lt=1)
    """Decay of the moving moments of returns, once per gradient step [code]."""
    lr: float = Field(default=5e-4, gt=0)
    """Adam's step size [Table 4]."""
    adam_eps: float = Field(default=1e-5, gt=0)
    """Adam's epsilon [code]."""
    max_grad_norm: float = Field(default=10.0, gt=0)
    """Gradient norm, of the whole transformer, above which it is scaled down [Table 4]."""
    embedding: int = Field(default=64, ge=1)
    """Width of every token and layer [code]."""
    layers: int = Field(default=1, ge=1)
    """Blocks of the encoder, and of the decoder [Table 4]."""
    heads: int = Field(default=1, ge=1)
    """Heads of every attention; divides `embedding` [Table 4]."""

    @model_validator(mode="after")
    def _heads_fit(self) -> MatConfig:
        if self.embedding % self.heads:
            raise ValueError(f"embedding={self.embedding} must be a multiple of heads={self.heads}")
        return self
