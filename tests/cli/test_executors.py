"""Executors from the command line: shards, their own settings, and what is submitted."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from marlbench.installation import pip_install
from tests.cli.conftest import Call

with suppress(ImportError):  # not within a test: it resets logging, and absl's handler would then
    import submitit  # noqa: F401 - close what pytest captures

SMALL = ["run", "--algo", "tiny", "--suite", "probe", "--task", "two_step", "--preset", "smoke"]
SBATCH = """#!/bin/bash
cp "$1" {there}/submitted.sh
echo Submitted batch job 7
"""
SQUEUE = """#!/bin/bash
echo "$@" >> {there}/asked
echo "7 CANCELLED (None)"
"""


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose Slurm takes every job and cancels it; what it was given is in the folder."""
    pytest.importorskip("submitit")
    there = tmp_path / "bin"
    there.mkdir()
    for name, text in {"sbatch": SBATCH, "squeue": SQUEUE, "srun": "#!/bin/bash\n"}.items():
        (there / name).write_text(text.format(there=there))
        (there / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(there), os.environ["PATH"]]))
    monkeypatch.setattr("marlbench.grid.executors.slurm.LOOK", 0.1)
    return there


@pytest.mark.usefixtures("tiny")
def test_a_shard_that_has_no_run_is_done(call: Call, tmp_path: Path) -> None:
    """An array job may have more tasks than there are runs."""
    one = [*SMALL, "--seeds", "1", "--results", str(tmp_path / "results")]
    code, out, err = call(*one, "--shard", "2/2")
    assert (code, err) == (0, "")
    assert "0 runs of 600 env steps" in out
    assert "shard    2/2 of a grid of 1 runs" in out


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", ["slurm", "ray"])
def test_an_executor_whose_extra_is_missing_is_told_with_it(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(f"marlbench.grid.executors.{name}.importable", lambda _: False)
    code, out, err = call(*SMALL, "--executor", name, "--results", str(tmp_path / "results"))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"marlbench: the executor '{name}' needs " in err
    assert pip_install(name) in err
    assert not (tmp_path / "results").exists()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "how large is an allocation?"),
        (["--set", "slurm.partitoin=x"], "did you mean 'partition'?"),
        (
            ["--set", "slurm.minutes=0"],
            "slurm.minutes cannot be 0; it is a whole number, at least 1",
        ),
        (["--set", "slurm=1"], "slurm is an executor: slurm.KEY=VALUE"),
        (["--set", "ray.address=x"], "the executor here is slurm, --executor ray takes another"),
        (["--workers", "1", "--set", "run.device=cuda"], "--set slurm.gpus=1 or more"),
    ],
)
def test_what_is_wrong_with_an_executors_settings_is_one_line(
    call: Call, login: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    results = ["--results", str(tmp_path / "results")]
    code, out, err = call(*SMALL, "--executor", "slurm", *options, *results)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not (login / "submitted.sh").exists()


@pytest.mark.usefixtures("tiny")
def test_what_is_submitted_asks_for_what_was_granted(
    call: Call, login: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "cluster.toml"
    settings.write_text(
        '[slurm]\npartition = "gpu"\nminutes = 90\ngpus = 2\nmemory_gib = 32\n'
        'options = {constraint = "a100"}\n[ray]\naddress = "elsewhere"\n'
    )
    results = tmp_path / "results"
    options = ["--executor", "slurm", "--config", str(settings), "--runs-per-gpu", "3"]
    code, out, _ = call(*SMALL, "--seeds", "2", *options, "--results", str(results))
    assert code == 130  # the job was cancelled, the same command goes on
    assert "GPU, 2 at a time" in out
    assert "job 7 ended as CANCELLED, see" in out
    script = (login / "submitted.sh").read_text()
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", script, re.MULTILINE))
    wanted = {"partition": "gpu", "time": "90", "gpus-per-node": "2", "cpus-per-task": "6"}
    wanted |= {"mem": "32G", "constraint": "a100", "nodes": "1", "signal": "USR2@120"}
    assert wanted.items() <= asked.items()
    assert "requeue" in asked
    assert re.search(r"^srun .* -P -u -m submitit.core._submit ", script, re.MULTILINE)
    (job,) = results.glob(".slurm/*/job.json")
    assert oct(job.parent.stat().st_mode)[-3:] == "700"  # pickles are read from there
    told = json.loads(job.read_text())
    assert (told["job"], len(told["folders"])) == ("7", 2)
    assert all(Path(folder, "spec.json").exists() for folder in told["folders"])
    assert "slurm" not in Path(told["folders"][0], "spec.json").read_text()  # no run depends on it


def test_an_executors_settings_are_shown(call: Call) -> None:
    code, out, _ = call("show", "slurm")
    assert code == 0
    assert "slurm.gpus = 0\n    GPUs of an allocation; a whole number, at least 0" in out
