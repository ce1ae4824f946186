"""Slots: how many runs are played at once, on which cores and GPUs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from marlbench.errors import UserError
from marlbench.executors import Resources
from marlbench.grid.slots import gpus, slots
from marlbench.processors import cores


def test_slots_are_one_per_so_many_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr("marlbench.processors.QUOTA", tmp_path / "cpu.max")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert len(slots(Resources())) == 8
    assert len(slots(Resources(threads=3))) == 2
    assert len(slots(Resources(threads=16))) == 1
    assert len(slots(Resources(workers=20))) == 20
    assert [slot.cores for slot in slots(Resources(), runs=3)] == [2, 2, 2]
    assert [slot.cores for slot in slots(Resources(threads=3))] == [4, 4]
    assert [slot.cores for slot in slots(Resources(threads=16))] == [16]
    assert slots(Resources(), runs=1)[0].environment()["MARLBENCH_CORES"] == "8"
    environment = slots(Resources(threads=3))[0].environment()
    assert (environment["OMP_NUM_THREADS"], environment["CUDA_VISIBLE_DEVICES"]) == ("3", "")


@pytest.mark.parametrize(
    ("quota", "usable"),
    [("max 100000", 8), ("300000 100000", 3), ("50000 100000", 1), ("6400000 100000", 8)],
)
def test_a_containers_quota_bounds_the_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quota: str, usable: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr("marlbench.processors.QUOTA", tmp_path / "cpu.max")
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert cores() == usable


def test_slots_are_some_per_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert gpus() == ["2", "5"]
    assert [slot.gpu for slot in slots(Resources(runs_per_gpu=2))] == ["2", "5", "2", "5"]
    assert [slot.gpu for slot in slots(Resources(workers=1))] == ["2"]
    assert {slot.gpu for slot in slots(Resources(device="cpu"))} == {""}
    assert slots(Resources())[1].environment()["CUDA_VISIBLE_DEVICES"] == "5"


@pytest.mark.parametrize("visible", ["", "-1"])
def test_a_gpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(UserError, match="this machine shows no GPU"):
        slots(Resources(device="cuda"))


def test_gpus_are_those_that_the_driver_lists(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus() == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho '  MIG'\necho 'GPU 1: A'\n")
    tool.chmod(0o755)
    assert gpus() == ["0", "1"]
