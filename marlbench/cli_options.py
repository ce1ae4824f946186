"""Options and arguments that several commands of the command line have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from marlbench.exit_codes import ExitCode

RESULTS = Path("results")


def folder(name: str | Path) -> Path:
    """Take a folder's name; `""`, as of a variable that is not set, is none."""
    if not str(name).strip():
        raise typer.BadParameter("it names no folder")
    return Path(name)


Of = Annotated[str, typer.Option("--of", metavar="newest|best|STEP", help="Which of its policies.")]
ARun = Annotated[str, typer.Argument(help="A run's folder, or its path below --results.")]
Only = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="These alone: a,b or one each.")
]
Results = Annotated[
    Path, typer.Option(metavar="DIR", parser=folder, help="Folder that runs are written to.")
]


# what `marlbench run` is asked
Algorithms = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Algorithms: a,b or one --algo each.")
]
AStudy = Annotated[str | None, typer.Option(metavar="NAME", help="In place of --algo.")]
ASuite = Annotated[str, typer.Option(metavar="NAME", help="Suite of tasks.")]
Tasks = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Tasks, `all` for every one; else the preset decides."),
]
Seeds = Annotated[int | None, typer.Option(metavar="N", help="This many seeds, from 0.")]
Seed = Annotated[list[int] | None, typer.Option(metavar="K", help="This seed; may be repeated.")]
Steps = Annotated[
    int | None, typer.Option(metavar="N", help="Env steps per run; runs of fewer go on to so many.")
]
Presets = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Presets, left to right.  [default: paper]")
]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting.")]
SettingsFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Settings file (TOML).")]
Label = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Call variants ALGORITHM-NAME; else settings are spelt."),
]
Workers = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Runs at a time; else as many as fit.")
]
RunsPerGpu = Annotated[
    str, typer.Option(metavar="N|auto", help="Runs that share a GPU; auto: as many as fit.")
]
AnExecutor = Annotated[str, typer.Option(metavar="NAME", help="What starts the runs.")]
Shard = Annotated[str | None, typer.Option(metavar="K/N|auto", help="This part of the grid.")]
Sinks = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Follow the runs: tensorboard, ...")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Go on with pickles of others: runs what they say.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be played, and start nothing.")
]


def code_of(well: bool) -> ExitCode:
    """Give the exit code of a check."""
    return ExitCode.OK if well else ExitCode.FAILED


def print_lines(lines: Iterable[str]) -> None:
    """Print lines, for as long as anyone reads them."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # `marlbench list | head`: all that was wanted has been read
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
