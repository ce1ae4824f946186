"""Freed memory is used again without asking the system for its pages."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from marlbench.training.allocator import keep_freed_memory

BLOCKS = """
import resource, sys
from marlbench.training.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def play():
    blocks = [bytearray(b"x") * 2**23 for _ in range(8)]
play()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
play()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""How many pages it asks for to fill eight blocks of 8 MiB (16 384 pages) a second time."""


def pages(how: str) -> int:
    """Of a process of its own: there is no way back from the setting."""
    command = [sys.executable, "-c", BLOCKS, how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone")
def test_blocks_are_filled_again_without_new_pages() -> None:
    assert pages("keep") < 1000
    assert pages("leave") > 1000


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: None) -> None:
        raise TypeError(name)

    monkeypatch.setattr("ctypes.CDLL", no_library)
    assert not keep_freed_memory()
