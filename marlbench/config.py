"""What a run is: the host's settings and the resolved document of one run."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from marlbench.plugin import Config


class Evaluation(Config):
    """The host's protocol, equal for all algorithms; a version names what these numbers mean."""

    version: Literal[1] = 1
    """Version of the protocol: greedy episodes, quota per copy, common seeds [ours]."""
    every: int = Field(default=10_000, ge=1)
    """Env steps between evaluations; 0 and the end are always evaluated [pymarl2, sc2.yaml]."""
    episodes: int = Field(default=32, ge=1)
    """Episodes per evaluation, shared equally by the copies [pymarl2, sc2.yaml]."""
    num_envs: int = Field(default=8, ge=1)
    """Copies that play them; each plays `episodes / num_envs`, never first-to-finish [ours]."""


class RunConfig(Config):
    """The host's own settings of one run."""

    steps: int = Field(default=400_000, ge=1)
    """Env steps: joint steps, all copies together [paper, section 5.1]."""
    evaluation: Evaluation = Evaluation()
    """When and how the host evaluates."""
    checkpoint_every: int = Field(default=20_000, ge=1)
    """Env steps between checkpoints; the end always has one [ours]."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the learner computes; `auto` takes a GPU if there is one [ours]."""
    threads: int = Field(default=1, ge=1)
    """Threads of torch per run on the CPU [ours: more is slower when runs share cores]."""


class RunSpec(Config):
    """Everything that decides one run: what `spec.json` holds."""

    format: Literal[1] = 1
    """Version of this document."""
    suite: str
    """Suite name."""
    task: str
    """Task name."""
    algorithm: str
    """Algorithm name in the catalogue."""
    label: str
    """The algorithm's name and, where settings differ from its paper preset, the variant."""
    seed: int = Field(ge=0)
    """The run's only seed."""
    presets: tuple[str, ...] = ()
    """Presets, left to right."""
    run: RunConfig = RunConfig()
    """The host's settings, resolved."""
    algorithm_config: dict[str, Any] = Field(default_factory=dict)
    """The algorithm's settings, resolved, every field."""
    suite_config: dict[str, Any] = Field(default_factory=dict)
    """The suite's settings, resolved, every field."""
    origins: dict[str, str] = Field(default_factory=dict)
    """For every key (`run.steps`, `algorithm.gamma`, `suite.sight`) where its value comes from."""
