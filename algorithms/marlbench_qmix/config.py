"""Settings of QMIX and its variants: the defaults are the paper's and PyMARL2's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from marlbench.toolbox.settings import VALUE_SMOKE, ValueConfig

__all__ = ["PRESETS", "QmixConfig"]


class QmixConfig(ValueConfig):
    """QMIX; `[Table 5]` is that of the DMAWM paper, `[pymarl2]` its qmix.yaml at 8ccac7c."""

    former_names: ClassVar[Mapping[str, str]] = {"adam_epsilon": "adam_eps"}

    num_envs: int = Field(default=8, ge=1)
    """Copies of the environment that are played in lockstep [pymarl2]."""
    mixer: Literal["monotonic", "sum", "none"] = "monotonic"
    """How agents' values become a joint one: QMIX, VDN or IQL [pymarl2]."""
    td_lambda: float = Field(default=0.6, ge=0, le=1)
    """Weight of longer returns in the target: 0 is one step, 1 is the whole episode [Table 5]."""
    adam_eps: float = Field(default=1e-8, gt=0)
    """Adam's epsilon [pymarl2: PyTorch's default]."""
    batch_episodes: int = Field(default=128, ge=1)
    """Episodes per update [Table 5]."""
    episodes_per_update: float = Field(default=8.0, gt=0)
    """Finished episodes, all copies together, per update; below 1: more updates [pymarl2]."""
    epsilon_anneal_steps: int = Field(default=100_000, ge=1)
    """Env steps from `epsilon_start` to `epsilon_finish`, along a line [pymarl2]."""


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {
        "gamma": 0.9,
        "batch_episodes": 16,
        "episodes_per_update": 0.5,
        "target_update_episodes": 10,
        "epsilon_anneal_steps": 20_000,
        "replay_gib": 4.0,
    },
    "smoke": VALUE_SMOKE,
}
"""Settings of the project's short presets [ours]; `paper` changes nothing."""
