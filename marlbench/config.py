"""What a run is: the host's settings and the resolved document of one run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from marlbench import labels
from marlbench.plugin import Config

SILENT_MINUTES = 30.0
"""Minutes without a sign of life after which a worker is killed, where nobody says otherwise."""


class Evaluation(Config):
    """The host's protocol, equal for all algorithms; a version names what these numbers mean."""

    version: Literal[1, 2] = 2
    """Version of the protocol. 2: every point plays start states of its own, the same for all
    algorithms and seeds; stochastic policies play greedily and by sampling; the run ends with a
    final evaluation. 1: the same start states at every point, greedily [ours]."""
    every: int = Field(default=10_000, ge=1)
    """Env steps between evaluations; 0 and the end are always evaluated [pymarl2, sc2.yaml]."""
    episodes: int = Field(default=32, ge=1)
    """Episodes per evaluation, shared equally by the copies [pymarl2, sc2.yaml]."""
    num_envs: int = Field(default=8, ge=1)
    """Copies that play them; each plays `episodes / num_envs`, never first-to-finish [ours]."""
    final_episodes: int = Field(default=100, ge=1)
    """Episodes of the final evaluation, which no point of the curve has played [ours]."""
    final_of_best: bool = False
    """Whether the best kept policy is finally evaluated too; see `run.keep_checkpoints` [ours]."""


class RunConfig(Config):
    """The host's own settings of one run."""

    steps: int = Field(default=400_000, ge=1)
    """Env steps: joint steps, all copies together [paper, section 5.1]."""
    evaluation: Evaluation = Evaluation()
    """When and how the host evaluates."""
    checkpoint_every: int = Field(default=20_000, ge=1)
    """Env steps between checkpoints; the end always has one [ours]."""
    checkpoint_minutes: float = Field(default=5.0, gt=0)
    """Minutes between checkpoints, where so many steps take longer [ours]."""
    silent_minutes: float | None = Field(default=None, gt=0)
    """Minutes without a sign of life (an env step, a gradient step) after which a worker is killed
    and tried again; None: as its suite says, else 30, and 30 at least to start [ours]."""
    keep_checkpoints: str = Field(
        default="newest",
        pattern=r"^(newest|best|every=[1-9][0-9]*)$",
        examples=["newest", "best", "every=20000"],
    )
    """Policies kept to the end: the `newest`; also the one that was `best` at a point of the curve,
    by the first metric, the earlier where two are equal; or also one `every=N` env steps [ours]."""
    agent_index: Literal["as its paper", "always", "never"] = "as its paper"
    """Whether agents are told which of the team they are, the same for all learners: each `as its
    paper` has it, `always` or `never`. Any other than the first makes another row of tables [ours].
    """
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the learner computes; `auto` takes a GPU if there is one [ours]."""
    threads: int = Field(default=1, ge=1)
    """Threads of torch per run on the CPU [ours: more is slower when runs share cores]."""
    memory_gib: float | None = Field(default=None, gt=0)
    """GiB that the run's process and all that it started may hold together: with more they are
    ended, and the run has failed; None: no limit [ours]."""
    env_processes: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    """Processes that the copies of an environment step in; 0: the run's own; `auto`: as many as
    the run has cores where steps take long, else 0. Changes no result [ours]."""

    @model_validator(mode="after")
    def keep_what_is_evaluated(self) -> RunConfig:
        """Refuse a final evaluation of the best policy where none is kept."""
        if self.evaluation.final_of_best and self.keep_checkpoints == "newest":
            raise ValueError("run.evaluation.final_of_best needs run.keep_checkpoints=best")
        return self


class RunSpec(Config):
    """Everything that decides one run: what `spec.json` holds."""

    format: Literal[2] = 2
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
    algorithm_changes: dict[str, Any] = Field(default_factory=dict)
    """Those that are not as the presets say, by dotted key; none where all is as in the paper."""
    suite_config: dict[str, Any] = Field(default_factory=dict)
    """The suite's settings, resolved, every field."""
    suite_changes: dict[str, Any] = Field(default_factory=dict)
    """Those that are not the suite's defaults, by dotted key: with them the task is another one."""
    origins: dict[str, str] = Field(default_factory=dict)
    """For every key (`run.steps`, `algorithm.gamma`, `suite.sight`) where its value comes from."""

    @property
    def row(self) -> str:
        """Give the task as tables name it: `tiny`, or `tiny [map_size=12]`."""
        return labels.row(self.task, self.task_changes)

    @property
    def task_changes(self) -> dict[str, Any]:
        """Give what makes the task another one: settings of the suite, and who is told its index.

        `{"run.agent_index": "always"}`; no key of a suite's begins with `run.`.
        """
        told = self.run.agent_index
        usual = RunConfig.model_fields["agent_index"].default
        return self.suite_changes | ({} if told == usual else {"run.agent_index": told})

    @property
    def meaning(self) -> str:
        """Say in words what the label means; empty where it names an algorithm and presets alone.

        `qmix-far is qmix by preset quick with gamma = 0.9`.
        """
        if not self.algorithm_changes and self.label in self._spelt_labels():
            return ""
        return labels.in_words(self.label, self.algorithm, self.presets, self.algorithm_changes)

    @property
    def chosen_name(self) -> str:
        """Give what the user called the variant, `wide` of `qmix-wide`; empty where it is spelt."""
        if self.label in self._spelt_labels():
            return ""
        return self.label.removeprefix(f"{self.algorithm}-")

    def _spelt_labels(self) -> Iterator[str]:
        """Give the labels of the algorithm with any of its presets and all that differs."""
        for count in range(len(self.presets) + 1):
            for some in combinations(self.presets, count):
                yield labels.label(self.algorithm, some, self.algorithm_changes)
