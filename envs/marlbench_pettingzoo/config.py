"""What must be said of a PettingZoo environment that it does not say itself."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from marlbench import plugin


class MpeConfig(plugin.Config):
    """Settings of the `mpe` suite."""

    continuous_actions: bool = False
    """Whether agents say how strongly they push and signal, in place of choosing [mpe2]."""


class Config(plugin.Config):
    """Settings of the `pettingzoo` suite."""

    kwargs: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the environment's constructor [the environment's own defaults]."""
    reward: Literal["individual", "sum", "shared"] = "individual"
    """`individual`: each its own; `sum`: to all the sum; `shared`: all have the same [ours]."""
    limit: int | None = Field(default=None, ge=1)
    """Env steps after which an episode is cut; None: the environment's own, else 500 [ours]."""
    leaving: bool = True
    """Whether agents can leave before the end; the last discrete action is then a no-op [ours]."""
    fresh: bool = False
    """Whether each episode has a new environment, where `reset` does not forget all [ours]."""
    images: bool = True
    """Whether bytes of three axes are images, with planes for the numbers beside them; otherwise
    all are numbers in a row [ours]."""
    joint_actions: bool = False
    """Whether actions of several parts are numbered as one discrete action [ours]."""
