"""What a user may change about SMAX, and whether compiled code is kept."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from marlbench import plugin


class Config(plugin.Config):
    """Settings of every SMAX scenario; other rules are another benchmark."""

    max_steps: int = Field(default=100, ge=1)
    """Env steps from which an episode is cut: it has one more at most [jaxmarl 0.2.0]."""
    see_enemy_actions: bool = True
    """Whether agents see what visible enemies did last [jaxmarl 0.2.0; SMAC: no]."""
    walls_cause_death: bool = True
    """Whether a unit that touches the edge of the map dies [jaxmarl 0.2.0; SMAC: no]."""
    enemy_target: Literal["closest", "random"] = "closest"
    """Whom a scripted enemy begins to shoot at [jaxmarl 0.2.0, attack_mode]."""
    compilation_cache: bool = True
    """Whether compiled code is kept in the user's cache folder for later processes [ours]."""
