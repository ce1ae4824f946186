"""What a command gives, printed, and the exit code of a check."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from marlbench.exit_codes import ExitCode

__all__ = ["exit_code", "print_lines"]


def exit_code(well: bool) -> ExitCode:
    """Give the exit code of a check."""
    return ExitCode.OK if well else ExitCode.FAILED


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they come; whoever has read enough may close the pipe."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # `marlbench list | head`: all that was wanted has been read
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
