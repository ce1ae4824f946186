"""What a self-test plays: every learner on every suite, undisturbed and once more disturbed."""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from marlbench.chaos import trial
from marlbench.chaos.trial import Disturbance
from marlbench.errors import UserError
from marlbench.host import Catalogue
from marlbench.needs import missing
from marlbench.store import each_run

__all__ = ["SelfTest", "require_reproducible", "run_selftest"]

STEPS = 300
"""Env steps of a run."""
SETTINGS = (
    *("run.checkpoint_every=30", "run.silent_minutes=1.5", "run.device=cpu"),
    *("run.evaluation.every=100", "run.evaluation.episodes=4", "run.evaluation.num_envs=4"),
)
THREE = 3
"""Suites, where the user names none; as many learners, far apart in the catalogue."""


@dataclass(frozen=True)
class SelfTest:
    """What a self-test plays and how often it kills."""

    learners: Sequence[str]
    suites: Sequence[str]
    runs: int
    kills: int
    seed: int = 0
    workers: int | None = None

    def grids(self) -> list[tuple[str, int, int]]:
        """Give suite, seeds and kills of every grid.

        >>> SelfTest(["a", "b", "c"], ["s", "t", "u"], runs=30, kills=200).grids()
        [('s', 4, 67), ('t', 3, 67), ('u', 3, 66)]
        """
        parts, seeds = len(self.suites), max(1, self.runs // len(self.learners))
        return [
            (suite, max(1, _share(seeds, parts, number)), _share(self.kills, parts, number))
            for number, suite in enumerate(self.suites)
        ]

    def command(self, suite: str, seeds: int) -> list[str]:
        """Give the arguments of the grid that is played twice."""
        algo = ",".join(self.learners)
        what = ["run", "--algo", algo, "--suite", suite, "--seeds", str(seeds)]
        sets = [word for setting in SETTINGS for word in ("--set", setting)]
        at_once = [] if self.workers is None else ["--workers", str(self.workers)]
        return [*what, "--preset", "smoke", "--steps", str(STEPS), *sets, *at_once]


def run_selftest(
    catalogue: Catalogue, asked: SelfTest, keep: Path | None, say: Callable[[str], None]
) -> bool:
    """Play every grid undisturbed and once more disturbed; give whether their rows are the same.

    With `keep` results stay below it, and what was played undisturbed is not played again. Raises
    UserError for names that the catalogue has not, and for a grid that gets stuck.
    """
    asked = _named(catalogue, asked)
    say(f"{', '.join(asked.learners)} on {', '.join(asked.suites)}")
    total = Disturbance()
    with nullcontext(str(keep)) if keep else TemporaryDirectory(prefix="marlbench-") as place:
        for number, (suite, seeds, kills) in enumerate(asked.grids()):
            command = asked.command(suite, seeds)
            say(f"marlbench {shlex.join(command)}")
            whole, disturbed = Path(place, "whole", suite), Path(place, "disturbed", suite)
            steps = STEPS * seeds * len(asked.learners)
            draws = random.Random(asked.seed + number)
            try:
                trial.play(command, whole, Path(place, "quiet", suite))
                say(f"{suite}: played undisturbed")
                require_reproducible(suite, whole)
                inside = Path(place, "inside", suite).absolute()
                done = trial.disturb(command, disturbed, inside, kills, steps, draws, say)
            except RuntimeError as stuck:
                raise UserError(f"{suite}: {stuck}") from stuck
            trial.compare(whole, disturbed, done)
            total.add(done)
    for line in total.lines():
        say(line)
    return not total.wrong and not total.left


def require_reproducible(suite: str, results: Path) -> None:
    """Raise UserError where seeds do not decide episodes: then no two runs are the same."""
    for record in each_run(results):
        if any(row["event"] == "not_reproducible" for row in record.events()):
            raise UserError(f"{suite}: equal seeds begin other episodes here: name another --suite")


def _named(catalogue: Catalogue, asked: SelfTest) -> SelfTest:
    """Choose learners that need no GPU, and suites that go on exactly, where none are named."""
    light = sorted(name for name, each in catalogue.algorithms.items() if not each.wants_gpu)
    exact = [each for each in catalogue.suites.values() if each.copyable and not missing(each)]
    exact.sort(key=lambda suite: (suite.extra is not None, suite.name))
    for name in asked.learners:
        catalogue.algorithm(name)
    for name in asked.suites:
        catalogue.suite(name)
    return SelfTest(
        asked.learners or sorted({light[0], light[len(light) // 2], light[-1]}),
        asked.suites or [suite.name for suite in exact[:THREE]],
        asked.runs,
        asked.kills,
        asked.seed,
        asked.workers,
    )


def _share(whole: int, parts: int, number: int) -> int:
    """Give the number-th part of a whole, the first ones taking the rest of the division."""
    return whole // parts + (number < whole % parts)
