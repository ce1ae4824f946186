"""Lets whatever is printed be lost rather than end a run: where a log's disk is full, say."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Forgiving(io.RawIOBase):
    """A file descriptor to write to, on which no write fails."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def writable(self) -> bool:
        """Say that it is written to."""
        return True

    def fileno(self) -> int:
        """Give the descriptor, which children inherit."""
        return self._handle

    def write(self, data: ReadableBuffer) -> int:
        """Write what there is room for; the rest is lost."""
        with suppress(OSError):
            os.write(self._handle, data)
        return memoryview(data).nbytes


def print_forgivingly() -> None:
    """Print, from now on, without failing: an environment's words are no reason for a crash."""
    for name, handle in (("stdout", 1), ("stderr", 2)):
        raw = io.BufferedWriter(Forgiving(handle))
        text = io.TextIOWrapper(raw, "utf-8", errors="replace", line_buffering=True)
        setattr(sys, name, text)
