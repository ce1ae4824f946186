"""What a user may change about skirmish battles."""

from __future__ import annotations

from pydantic import Field

from marlbench import plugin


class Config(plugin.Config):
    """Settings of every skirmish task; other values are another benchmark."""

    sight: float = Field(default=9.0, gt=0)
    """Distance at which a unit sees others, in map units [SMAC, unit_sight_range]."""
    limit_scale: float = Field(default=1.0, gt=0)
    """Factor on the task's episode limit [ours]."""
    kill_bonus: float = Field(default=10.0, ge=0)
    """Reward for a kill, where a point of damage is 1 [SMAC, reward_death_value]."""
    win_bonus: float = Field(default=200.0, ge=0)
    """Reward for killing the last enemy, where a point of damage is 1 [SMAC, reward_win]."""
    best_return: float = Field(default=20.0, gt=0)
    """What damage, kills and win together are scaled to [SMAC, reward_scale_rate]."""
