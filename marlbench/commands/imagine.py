"""`marlbench imagine`: what a world model foresees, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from marlbench.errors import UserError

__all__ = ["imagine"]

RESULTS = Path("results")


def imagine(  # noqa: PLR0913 - one parameter per option
    run: Annotated[str, typer.Argument(help="A run's folder, or its path below --results.")],
    episode: Annotated[int, typer.Option(metavar="K", min=0, help="The one that is drawn.")] = 0,
    context: Annotated[int, typer.Option(metavar="N", min=1, help="Steps that are seen.")] = 6,
    horizon: Annotated[int, typer.Option(metavar="N", min=1, help="Steps imagined.")] = 24,
    episodes: Annotated[int, typer.Option(metavar="N", min=1, help="How many are played.")] = 32,
    seed: Annotated[int, typer.Option(metavar="K", min=0, help="Of the start states.")] = 0,
    of: Annotated[
        str, typer.Option(metavar="newest|best|STEP", help="Which of its policies.")
    ] = "newest",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .png; else imagined.png in the run's folder."),
    ] = None,
    results: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder that runs are written to.")
    ] = RESULTS,
) -> int:
    """Judge a world model by what it foresees on fresh episodes, and draw it."""
    from marlbench.commands.watch import check_playable, find_run
    from marlbench.host import load_catalogue

    folder = find_run(run, results, "imagine")
    check_playable(load_catalogue(), folder, of)
    if episode >= episodes:
        raise UserError(
            f"--episode {episode}: they are 0 to {episodes - 1}; --episodes {episode + 1} plays it"
        )
    path = out or folder / "imagined.png"
    if path.suffix != ".png" or not path.parent.is_dir():
        raise UserError(f"--out {path}: a .png in a folder that is there is wanted")
    asked = {"episodes": episodes, "episode": episode, "context": context, "horizon": horizon}
    print(f"imagining {folder}", flush=True)
    return _in_a_process(folder, asked | {"seed": seed, "of": of, "out": str(path)})


def _in_a_process(folder: Path, asked: dict[str, Any]) -> int:
    """Let a process do it; `asked` are the fields of `marlbench.training.imagine.Asked`."""
    from marlbench.grid.slots import Slot

    command = [sys.executable, "-P", "-m", "marlbench.training.imagine", str(folder)]
    # nothing is learnt: one thread, no GPU
    environment = Slot("imagination", "", 1).environment()
    return subprocess.run([*command, json.dumps(asked)], env=environment, check=False).returncode
