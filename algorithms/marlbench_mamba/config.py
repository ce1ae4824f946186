"""MAMBA's settings: the benchmark paper's Table 6, and the reference's own where it is silent.

`code` is the public reference, jbr-ai-labs/mamba@2c97258, configs/dreamer/optimal/starcraft.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from marlbench.toolbox.settings import WorldModelConfig


class MambaConfig(WorldModelConfig):
    """Model-based multi-agent RL with communicating agents."""

    former_names: ClassVar[Mapping[str, str]] = {
        "entropy": "entropy_coef",
        "return_lambda": "gae_lambda",
    }

    num_envs: int = Field(default=1, ge=1)
    """Copies of the environment that are played in lockstep [Table 6: 1 trajectory at a time]."""

    # When to learn
    update_episodes: int = Field(default=1, ge=1)
    """Episodes between updates, if no `update_steps` [Table 6, trajectories between updates]."""
    update_steps: int = Field(default=0, ge=0)
    """Env steps between updates, counted as episodes end; 0: `update_episodes` decides [ours]."""
    min_buffer: int = Field(default=500, ge=1)
    """Steps that the replay holds before the first update [code]."""
    buffer: int = Field(default=250_000, ge=1)
    """Steps that the replay holds, absorbing ones included [Table 6]."""
    model_updates: int = Field(default=60, ge=1)
    """Gradient steps of the world model per update [Table 6, model epochs]."""
    pretrain: int = Field(default=0, ge=0)
    """Gradient steps of the model alone before the first update [code: none]."""
    agent_updates: int = Field(default=4, ge=1)
    """Times per update that actor and critic learn from imagined play [Table 6]."""
    batch: int = Field(default=40, ge=1)
    """Windows per batch, of the model and of the states that imagination starts from [Table 6]."""
    length: int = Field(default=20, ge=4)
    """Steps per window [Table 6, sequence length]."""
    bootstrap_timeouts: bool = False
    """Whether a time-out is stored as going on, not as an end [code: it is an end]."""

    # World model
    deter: int = Field(default=256, ge=1)
    """Size D of the deterministic state h [code]."""
    hidden: int = Field(default=256, ge=1)
    """Width of every hidden layer and of the attention [code]."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the attention's activations that a model update drops [code]."""
    kl_balance: float = Field(default=0.2, ge=0, le=1)
    """Share of the KL that trains the posterior, the rest trains the prior [Table 6]."""
    model_lr: float = Field(default=2e-4, gt=0)
    """Adam's step size for the world model [Table 6]."""

    # Policy learning in imagination
    horizon: int = Field(default=15, ge=2)
    """Imagined states per rollout, the first included [Table 6, rollout horizon]."""
    minibatch: int = Field(default=2000, ge=1)
    """Joint states per gradient step of actor and critic [code]."""
    entropy_coef: float = Field(default=0.001, ge=0)
    """Weight of the entropy bonus at the start [Table 6]."""
    entropy_decay: float = Field(default=0.99998, gt=0, le=1)
    """What the entropy's weight is multiplied by after every minibatch [code]."""
    actor_gain: float = Field(default=1.0, ge=0)
    """Scale of the actor's last layer at the start; small: a uniform policy [code]."""
    actor_lr: float = Field(default=5e-4, gt=0)
    """Adam's step size for the actor [Table 6]."""
    critic_lr: float = Field(default=5e-4, gt=0)
    """Adam's step size for the critic [Table 6]."""
    actor_decay: float = Field(default=1e-5, ge=0)
    """Adam's L2 penalty on the actor's weights [code]."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> MambaConfig:
        if self.hidden % self.heads:
            raise ValueError(f"heads divides hidden: got {self.heads} and {self.hidden}")
        if not self.length < self.min_buffer <= self.buffer:
            raise ValueError(
                f"length < min_buffer <= buffer: got {self.length}, {self.min_buffer} "
                f"and {self.buffer}"
            )
        return self


QUICK: dict[str, Any] = {
    "num_envs": 8,
    "update_steps": 200,
    "min_buffer": 1000,
    "buffer": 50_000,
    "model_updates": 20,
    "pretrain": 1000,
    "agent_updates": 2,
    "batch": 16,
    "length": 12,
    "bootstrap_timeouts": True,
    "deter": 64,
    "hidden": 64,
    "latents": 8,
    "classes": 16,
    "layers": 1,
    "heads": 4,
    "model_lr": 3e-3,
    "horizon": 8,
    "gamma": 0.95,
    "epochs": 3,
    "minibatch": 512,
    "entropy_coef": 0.01,
    "actor_gain": 0.01,
    "actor_lr": 7e-4,
    "critic_lr": 1e-3,
}

PRESETS: dict[str, dict[str, Any]] = {
    "quick": QUICK,
    "smoke": {
        **QUICK,
        "num_envs": 4,
        "update_steps": 100,
        "min_buffer": 100,
        "model_updates": 2,
        "pretrain": 2,
        "agent_updates": 1,
        "batch": 4,
        "length": 8,
        "deter": 16,
        "hidden": 16,
        "latents": 4,
        "classes": 8,
        "horizon": 4,
        "epochs": 2,
    },
}
"""`quick` learns small tasks in minutes on a CPU core, `smoke` shows in seconds that all works."""
