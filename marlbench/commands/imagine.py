"""`marlbench imagine`: what a world model foresees, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from marlbench.commands.watch import check_playable, find_run
from marlbench.errors import UserError
from marlbench.grid.slots import Slot
from marlbench.host import Catalogue

__all__ = ["imagine_run"]


def imagine_run(
    catalogue: Catalogue, run: str, results: Path, out: Path | None, asked: dict[str, Any]
) -> int:
    """Judge a run's model; give the exit code. Raises UserError before anything heavy is loaded.

    `asked` are the fields of `marlbench.training.imagine.Asked` less the picture's file.
    """
    folder = find_run(run, results, "imagine")
    check_playable(catalogue, folder, asked["of"])
    episode, episodes = asked["episode"], asked["episodes"]
    if episode >= episodes:
        raise UserError(
            f"--episode {episode}: they are 0 to {episodes - 1}; --episodes {episode + 1} plays it"
        )
    path = out or folder / "imagined.png"
    if path.suffix != ".png" or not path.parent.is_dir():
        raise UserError(f"--out {path}: a .png in a folder that is there is wanted")
    print(f"imagining {folder}", flush=True)
    command = [sys.executable, "-P", "-m", "marlbench.training.imagine", str(folder)]
    document = json.dumps(asked | {"out": str(path)})
    # nothing is learnt: one thread, no GPU
    environment = Slot("imagination", "", 1).environment()
    return subprocess.run([*command, document], env=environment, check=False).returncode
