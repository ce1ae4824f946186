"""`marlbench bench` measures what it says, in real processes, at the smallest sizes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from marlbench.bench import results
from marlbench.commands.bench import Asked, bench, plan
from marlbench.errors import UserError
from marlbench.host import load_catalogue

LEARNER = [
    "update ms",
    "equal ms",
    "operations",
    "syncs",
    "act ms E=1",
    "act ms E=8",
    "act ms E=64",
    "peak MiB",
]
PHASES = ["sample ms", "model ms", "imagination ms", "PPO ms", "step ms"]
SUITE = ["first step s", "E=1", "E=8", "by the clock", "reset ms", "copy MiB"]
RUN = ["first step s", "worker s", "command s"]


def asked(*words: str) -> dict[str, Any]:
    """Ask the command for a JSON object."""
    command = [sys.executable, "-P", "-m", "marlbench", "bench", "--quick", "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert [row["error"] for row in found["rows"] if row["error"]] == []
    return found


def test_a_learner_its_runs_and_a_suite_as_json() -> None:
    found = asked("--only", "qmix,skirmish")
    assert {"processor", "cores", "load", "torch", "device"} <= found["machine"].keys()
    qmix, skirmish, run = found["rows"]
    assert [row["part"] for row in found["rows"]] == ["learners", "suites", "runs"]
    assert list(qmix["figures"]) == LEARNER
    assert qmix["figures"]["syncs"] == 1
    assert all(value > 0 for value in qmix["figures"].values())
    speeds = skirmish["figures"]
    assert list(speeds) == SUITE
    assert speeds["E=8"] > speeds["E=1"] > 0
    assert list(run["figures"]) == RUN
    assert run["name"] == "qmix on skirmish"
    first, worker, command = run["figures"].values()
    assert 0 < first < worker < command


def test_phases_beside_the_plain_loops_and_alone() -> None:
    dmawm, mamba = asked("--only", "phases")["rows"]
    assert (dmawm["name"], mamba["name"]) == ("dmawm quick A=2", "mamba quick A=5")
    assert list(mamba["figures"]) == PHASES
    plain = [f"plain {name}" for name in PHASES]
    assert list(dmawm["figures"]) == [*PHASES, *plain, "times"]
    of_step = dmawm["figures"]
    assert of_step["plain model ms"] > of_step["model ms"]  # its loops launch far more
    assert of_step["step ms"] >= max(of_step[name] for name in PHASES[:-1])


def test_a_folder_of_results() -> None:
    found = results.measure(runs=3, watched=2, seconds=2)
    assert list(found) == [
        *("row ms", "row CPU ms", "read a run ms", "status s", "report s"),
        *("watching %", "begin ms", "end ms"),
    ]
    assert all(value > 0 for value in found.values())


def test_made_up_runs_are_a_grid_that_a_report_can_compare() -> None:
    specs = [results.spec(number) for number in range(50)]
    assert len({(spec.task, spec.label) for spec in specs}) == 25
    assert len({(spec.task, spec.label, spec.seed) for spec in specs}) == 50


def test_a_table_says_what_machine_and_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = load_catalogue()
    monkeypatch.setattr("marlbench.commands.bench.missing", lambda suite: "it lacks a part")
    lines = list(bench(catalogue, Asked(["skirmish"], quick=True), as_json=False))
    assert lines[0].startswith("processor ")
    assert any("skirmish/3v3: it lacks a part" in line for line in lines)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Asked(["qmixx"]), r"'qmixx'; did you mean 'qmix'\?.*marlbench list"),
        (Asked(["skirmish/9v9"]), "no task '9v9'"),
        (Asked(["qmix"], preset="quik"), "'quik'; did you mean 'quick'"),
        (Asked(["qmix"], device="tpu"), "cpu or cuda: got 'tpu'"),
    ],
)
def test_a_mistake_is_refused_in_one_line(wanted: Asked, said: str) -> None:
    with pytest.raises(UserError, match=said):
        list(bench(load_catalogue(), wanted, as_json=False))


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (["smax/25m"], ["smax/25m"]),
        (["results"], ["25 runs, 8 watched"]),
        (["mamba"], ["mamba", "mamba quick A=5", "mamba on skirmish"]),
    ],
)
def test_what_is_named_is_measured_and_nothing_else(only: list[str], names: list[str]) -> None:
    planned = plan(load_catalogue(), Asked(only, quick=True))
    assert [each.name for each in planned] == names


def test_by_default_everything_is_planned() -> None:
    catalogue = load_catalogue()
    planned = list(plan(catalogue, Asked()))
    for part in ("learners", "runs"):
        assert [each.of for each in planned if each.part == part] == list(catalogue.algorithms)
    assert [each.of for each in planned if each.part == "suites"] == list(catalogue.suites)
    sizes = [each.name for each in planned if each.part == "phases" and each.of == "dmawm"]
    assert sizes == [f"dmawm D={width} A={n}" for width in (256, 512) for n in (2, 5, 10, 25)]
