"""What the tests on clusters share: a small grid, played in peace and elsewhere, and its rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from marlbench.store import RunRecord, runs

PATIENT = '''"""VDN with a pause in every update, so that a run takes its time on any machine."""

import os
import time
from dataclasses import replace

import marlbench_qmix
from marlbench.plugin import hookimpl

marlbench_api = 2


def build(config, spec, seed, device):
    """Give the learner, which is none the wiser."""
    agent = VDN.build(config, spec, seed, device)
    update = agent.update

    def patient():
        time.sleep(float(os.environ.get("MARLBENCH_PAUSE", "0.05")))
        return update()

    agent.update = patient
    return agent


(VDN,) = (each for each in marlbench_qmix.marlbench_algorithms() if each.name == "vdn")


@hookimpl
def marlbench_algorithms():
    """Offer it."""
    return [replace(VDN, name="patient", build=build)]
'''
STEPS = 900
GRID = [
    *("run", "--algo", "patient", "--suite", "probe", "--task", "two_step", "--preset", "smoke"),
    *("--seeds", "2", "--set", "run.device=cpu", "--set", "run.checkpoint_every=48"),
    *("--set", "run.evaluation.every=300", "--steps", str(STEPS)),
]
"""Two runs of half a minute, with eighteen checkpoints."""
SLOWER = {"MARLBENCH_PAUSE": "0.2"}
"""An environment in which they take two minutes and measure the same."""
MARLBENCH = [sys.executable, "-P", "-c", "from marlbench.cli import main; main()"]


def command(results: Path, *options: str) -> list[str]:
    """The command that plays the grid."""
    return [*MARLBENCH, *GRID, "--results", str(results), *options]


def play(results: Path, *options: str, env: Mapping[str, str] | None = None) -> str:
    """Play the grid to its end; what was said."""
    done = subprocess.run(
        command(results, *options),
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(results: Path) -> dict[str, Any]:
    """All that runs measured, less what may differ between machines."""
    return {
        str(record.folder.relative_to(results)): [
            {key: value for key, value in row.items() if key != "wall"}
            for row in [*record.evaluations(), record.final() or {}, *record.training()]
        ]
        for record in runs(results)
    }


def until(true: Callable[[], Any], seconds: float = 120.0) -> Any:
    """Wait until something is true; give it."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.2)
    return value


def checkpoints(results: Path, attempt: int = 1) -> int:
    """How many checkpoints the run that has fewest of them has taken, from an attempt on."""
    taken = [
        sum(row["event"] == "checkpoint" and row["attempt"] >= attempt for row in record.events())
        for record in found(results)
    ]
    return min(taken, default=0)


def found(results: Path) -> list[RunRecord]:
    """The runs that there are."""
    return runs(results) if results.exists() else []


def attempts(record: RunRecord) -> list[dict[str, Any]]:
    """What each attempt said as it began: `attempt` and `pid`."""
    return [row for row in record.events() if row["event"] == "attempt"]


def double_rows(results: Path) -> int:
    """How many rows the files hold beyond those that readers give: of attempts cut since."""
    extra = 0
    for record in runs(results):
        for name, read in (("eval.jsonl", record._evaluated), ("train.jsonl", record.training())):
            lines = (record.folder / name).read_text(encoding="utf-8").splitlines()
            extra += len([json.loads(line) for line in lines]) - len(read)
    return extra


def facts(results: Path) -> dict[str, Any]:
    """What to tell of a split brain: attempts of each run, and rows that readers left out."""
    counted = [len(attempts(record)) for record in runs(results)]
    return {"attempts": counted, "rows left out": double_rows(results)}


def without_locks(folder: Path) -> dict[str, str]:
    """An environment in which locks of files bind nobody, as between machines on some NFS."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text("import fcntl\nfcntl.flock = lambda *_: None\n")
    path = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), path]))}
