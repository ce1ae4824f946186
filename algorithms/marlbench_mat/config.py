"""MAT's settings: the benchmark paper's Table 4, and the reference's own where it is silent.

`code` is the public reference, onpolicy/config.py@de66d7a. Table 4 also says that a GRU is used;
the reference switches recurrence off for MAT, and so there is none here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, model_validator

from marlbench.toolbox.settings import OnPolicyConfig


class MatConfig(OnPolicyConfig):
    """Multi-Agent Transformer."""

    former_names: ClassVar[Mapping[str, str]] = {"lr": "learning_rate"}

    block: int = Field(default=4096, ge=1)
    """Joint steps that go forward and back together; the gradients of several such parts are
    summed, so that it changes memory and speed alone [ours]."""
    value_coef: float = Field(default=1.0, ge=0)
    """Weight of the value loss beside the policy's [code]."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Adam's step size [Table 4]."""
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
