"""Settings of the `vmas` suite."""

from __future__ import annotations

from pydantic import Field

from marlbench import plugin


class Config(plugin.Config):
    """What may be changed of a task."""

    agents: int | None = Field(default=None, ge=2)
    """How many agents there are; None: as many as the scenario has by itself [vmas]."""
    limit: int = Field(default=100, ge=1)
    """Env steps after which time is up; vmas itself sets no limit [BenchMARL]."""
