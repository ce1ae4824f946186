"""What the settings of a plugin are: frozen, documented, and readable under their former names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["AlgorithmConfig", "Config"]


class Config(BaseModel):
    """Frozen settings of a plugin: every field followed by its sentence, its source in brackets.

    A field's docstring reads `What it is, with its unit [where the value comes from].`
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


class AlgorithmConfig(Config):
    """What every algorithm's settings have in common: the host reads nothing else of them."""

    former_names: ClassVar[Mapping[str, str]] = {}
    """Names that settings had before, to today's: so stored runs are still read."""

    num_envs: int = Field(default=8, ge=1)
    """Copies of the environment that are played in lockstep [ours]."""

    @property
    def bound_to_steps(self) -> str:
        """Name the setting by which learning depends on how many env steps the run has in all.

        Empty: none does, so a finished run can go on to more. A schedule down to the run's last
        step does.
        """
        return ""

    @model_validator(mode="before")
    @classmethod
    def rename_former(cls, values: Any) -> Any:
        """Give settings today's names; a former name beside today's stays, and is refused."""
        if not isinstance(values, Mapping):
            return values
        today = {old: new for old, new in cls.former_names.items() if new not in values}
        return {today.get(name, name): value for name, value in values.items()}
