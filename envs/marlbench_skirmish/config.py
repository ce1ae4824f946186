"""What a user may change about battles and gathering."""

from __future__ import annotations

from pydantic import Field

from marlbench import plugin


class Config(plugin.Config):
    """Settings of every skirmish task; other values are another benchmark."""

    sight: float = Field(default=9.0, gt=0)
    """Distance at which a unit sees, in map units; gatherers in cells [SMAC, unit_sight_range]."""
    limit_scale: float = Field(default=1.0, gt=0)
    """Factor on the task's episode limit [ours]."""
    kill_bonus: float = Field(default=10.0, ge=0)
    """Battles: reward for a kill, a point of damage being 1 [SMAC, reward_death_value]."""
    win_bonus: float = Field(default=200.0, ge=0)
    """Battles: reward for killing the last enemy, damage being 1 a point [SMAC, reward_win]."""
    best_return: float = Field(default=20.0, gt=0)
    """What all that can be earned is scaled to [SMAC, reward_scale_rate]."""
