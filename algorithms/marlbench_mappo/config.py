"""MAPPO's settings: the benchmark paper's Table 3, and the reference's own where it is silent.

`code` is the public reference, onpolicy/config.py@de66d7a.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from marlbench.toolbox.settings import OnPolicyConfig


class MappoConfig(OnPolicyConfig):
    """Recurrent MAPPO."""

    recurrent: bool = True
    """Whether actor and critic have a GRU; off: both see one step [Table 3, use RNN]."""
    central_value: bool = True
    """Whether the critic sees the state (or all observations); off is IPPO [Yu et al. 2022]."""
    chunk: int = Field(default=10, ge=1)
    """Steps through which the GRU is trained at a time; divides `rollout_steps` [code]."""
    actor_lr: float = Field(default=5e-4, gt=0)
    """Adam's step size for the actor [Table 3]."""
    critic_lr: float = Field(default=5e-4, gt=0)
    """Adam's step size for the critic [Table 3]."""
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
