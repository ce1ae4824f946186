"""`marlbench selftest`: does a grid give the same rows twice, though it be disturbed in between."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from marlbench.exit_codes import ExitCode

__all__ = ["selftest"]

FEW = 3
"""Runs without chaos, where the user does not say."""
MANY = 30


def selftest(  # noqa: PLR0913 - one parameter per option
    algo: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Learners; else three light ones.")
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Suites; else three that are installed."),
    ] = None,
    chaos: Annotated[
        bool, typer.Option("--chaos", help="Disturb the second time, in every way that is known.")
    ] = False,
    kills: Annotated[
        int, typer.Option(metavar="N", min=0, help="Kills on the way, with --chaos.")
    ] = 200,
    runs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="About so many runs.  [default: 3, 30]")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="K", min=0, help="Of what happens when.")] = 0,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Runs at a time; else as many as fit.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep what was played there; else nowhere.")
    ] = None,
) -> int:
    """Play a grid twice, the second time disturbed with --chaos: the rows must be the same."""
    from marlbench.chaos.selftest import SelfTest, run_selftest
    from marlbench.commands.run import names
    from marlbench.host import load_catalogue

    asked = SelfTest(
        names("--algo", algo or []),
        names("--suite", suite or []),
        runs or (MANY if chaos else FEW),
        kills if chaos else 0,
        seed,
        workers,
    )
    same = run_selftest(load_catalogue(), asked, keep, partial(print, flush=True))
    return ExitCode.OK if same else ExitCode.FAILED
