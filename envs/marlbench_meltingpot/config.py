"""What of a substrate can be set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from marlbench import plugin

__all__ = ["Config"]


class Config(plugin.Config):
    """Settings of the `meltingpot` suite."""

    players: int | None = Field(default=None, ge=1)
    """Agents; none: coop_mining 4 [paper, Figure 4], others their own number [Melting Pot]."""
    episode_length: int = Field(default=1000, ge=1)
    """Env steps after which an episode is cut, as a time-out [paper, appendix A.5.3]."""
    image: Literal["half", "native", "full"] = "half"
    """88x88 by 2x2 means to 44x44, drawn at 44x44, or 88x88; 40x40 stays so [paper: half]."""
    deterministic: bool = True
    """Whether Lua visits its tables in order, without which a seed decides nothing [ours]."""
