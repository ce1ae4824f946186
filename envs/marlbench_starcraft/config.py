"""What a user may change about StarCraft battles; limits and restarts keep games from hanging."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from marlbench import plugin

State = Literal["global", "observations", "both", "agent"]


class Config(plugin.Config):
    """Settings of `smac` and `smacv2`; other values are another benchmark."""

    state: State = "global"
    """`observations`: all agents' in a row; `both`: after the global state; `agent`: each agent's
    own, as MAPPO's code has it [SMAC: global]."""
    difficulty: Literal["1", "2", "3", "4", "5", "6", "7", "8", "9", "A"] = "7"
    """Level of the built-in opponent; 7 is VeryHard [SMAC, difficulty]."""
    game_version: str = ""
    """Such as 4.10; empty: the newest that is installed [SMAC, game_version]."""
    step_limit: float = Field(default=60.0, gt=0)
    """Seconds that a step may take before its game is killed [ours]."""
    reset_limit: float = Field(default=120.0, gt=0)
    """Seconds that a reset may take in a game that runs [ours]."""
    launch_limit: float = Field(default=300.0, gt=0)
    """Seconds that a reset may take that has to launch the game [ours]."""
    launch_spacing: float = Field(default=1.0, ge=0)
    """Seconds between two launches of one user on one machine [ours]."""
    restart_every: int = Field(default=1000, ge=0)
    """Episodes after which a game, whose memory grows, is launched anew; 0: never [ours]."""
