"""`marlbench bench` measures what it says, in real processes, at the smallest sizes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from marlbench.commands.bench import bench
from marlbench.errors import UserError
from marlbench.host import load_catalogue

LEARNER = [
    "update ms",
    "operations",
    "syncs",
    "act ms E=1",
    "act ms E=8",
    "act ms E=64",
    "peak MiB",
]


def test_a_learner_and_a_suite_as_json() -> None:
    command = [sys.executable, "-P", "-m", "marlbench", "bench", "--quick", "--json"]
    command += ["--only", "qmix,skirmish"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"processor", "cores", "load", "torch", "device"} <= found["machine"].keys()
    qmix, skirmish = found["rows"]
    assert (qmix["name"], skirmish["name"]) == ("qmix", "skirmish")
    assert list(qmix["figures"]) == LEARNER
    assert qmix["figures"]["syncs"] == 1
    assert all(value > 0 for value in qmix["figures"].values())
    speeds = skirmish["figures"]
    assert list(speeds) == ["E=1", "E=8"]
    assert speeds["E=8"] > speeds["E=1"] > 0


def test_a_table_says_what_machine_and_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = load_catalogue()
    monkeypatch.setattr("marlbench.commands.bench.missing", lambda suite: "it lacks a part")
    lines = list(bench(catalogue, ["skirmish"], quick=True, device="cpu", as_json=False))
    assert lines[0].startswith("processor ")
    assert any("skirmish: it lacks a part" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "device", "said"),
    [("qmixx", "cpu", r"'qmixx'.*marlbench list"), ("qmix", "tpu", "cpu or cuda: got 'tpu'")],
)
def test_a_mistake_is_refused_in_one_line(name: str, device: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        list(bench(load_catalogue(), [name], quick=True, device=device, as_json=False))
