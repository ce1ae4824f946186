"""Settings of MBVD: the defaults are the DMAWM paper's and the public copy's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from marlbench.toolbox.settings import VALUE_SMOKE, ValueConfig

__all__ = ["PRESETS", "MbvdConfig"]


class MbvdConfig(ValueConfig):
    """MBVD; `[Table 7]` is that of the DMAWM paper, `[copy]` the public code at 0cac5dd."""

    former_names: ClassVar[Mapping[str, str]] = {"rmsprop_epsilon": "rmsprop_eps"}

    num_envs: int = Field(default=1, ge=1)
    """Copies of the environment that are played in lockstep [copy: default.yaml]."""
    td_lambda: float = Field(default=0.0, ge=0, le=1)
    """Weight of longer returns in the target: 0 is one step [copy: mbvd_learner.py]."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Step size of RMSProp, for values and latent model alike [Table 7]."""
    rmsprop_decay: float = Field(default=0.99, ge=0, lt=1)
    """Share of RMSProp's mean square that a step keeps [copy: default.yaml, optim_alpha]."""
    rmsprop_eps: float = Field(default=1e-5, gt=0)
    """RMSProp's epsilon, added to the root [copy: default.yaml]."""
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
    history: Literal["target", "online"] = "target"
    """Whose recurrent states the latent model describes: target or online networks' [copy]."""
    history_gradient: bool = True
    """Whether the model's losses go on into those networks; target networks never learn [copy]."""
    past_end: bool = True
    """Whether the prior learns a step past the end of episodes but the batch's longest [copy]."""

    @field_validator("history", mode="before")
    @classmethod
    def today(cls, history: object) -> object:
        """Read the names that stored runs may have."""
        return {"slow": "target", "live": "online"}.get(str(history), history)


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
    "smoke": VALUE_SMOKE,
}
"""Settings of the project's short presets [ours]; `paper` changes nothing."""
