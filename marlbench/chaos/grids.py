"""Real grids as child processes, their workers, and what faults need to know of either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from marlbench.chaos.inside import ASKED
from marlbench.store.files import read_json
from marlbench.store.folder import DONE, PROGRESS, SPEC
from marlbench.store.owner import Owner
from marlbench.store.writing import alive, newest_owner

__all__ = ["Field"]


@dataclass
class Field:
    """A results folder in which `marlbench run` plays, as often as it takes."""

    command: Sequence[str]
    """The arguments of `marlbench`, less `--results`."""
    results: Path
    inside: Path
    """Where faults are asked for, and from where workers learn to listen."""
    grids: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """Those that live; the first is the one that is started anew."""
    starts: int = 0
    codes: list[int] = field(default_factory=list)
    """Of the grids that ended by themselves."""
    furthest: dict[Path, int] = field(default_factory=dict)
    """The env steps that each run has ever reached."""

    def start(self) -> None:
        """Start a grid: the same command, once more."""
        self.starts += 1
        with (self.inside / "grids.log").open("ab") as log:
            words = [sys.executable, "-P", "-m", "marlbench", *self.command]
            grid = subprocess.Popen(
                [*words, "--results", str(self.results)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
            )
        self.grids.append(grid)

    def tend(self) -> bool:
        """Start a grid again if none lives; give whether the last one has said that all is done."""
        for grid in list(self.grids):
            if (code := grid.poll()) is not None:
                self.grids.remove(grid)
                self.codes.append(code)
        if self.grids:
            return False
        if self.codes and self.codes[-1] == 0:
            return True
        self._make_way()
        self.start()
        return False

    def runs(self) -> list[Path]:
        """Give the folders of all runs."""
        return sorted(path.parent for path in self.results.glob(f"*/*/*/*/{SPEC}"))

    def workers(self) -> Iterator[tuple[Path, Owner]]:
        """Give the runs that are being played, and by whom."""
        for folder in self.runs():
            with suppress(OSError, ValueError):
                owner = newest_owner(folder)
                if owner is not None and alive(folder):
                    yield folder, owner

    def reached(self) -> int:
        """Give the env steps that all runs have reached, each as far as it ever was."""
        for folder in self.runs():
            with suppress(OSError, ValueError):
                now = int((read_json(folder / PROGRESS) or {}).get("env_steps", 0))
                self.furthest[folder] = max(now, self.furthest.get(folder, 0))
        return sum(self.furthest.values())

    def done(self) -> int:
        """Count the runs that are done."""
        return sum((folder / DONE).exists() for folder in self.runs())

    def ask(self, owner: Owner, fault: str) -> None:
        """Let a worker misbehave."""
        (self.inside / str(owner.pid)).write_text(fault)
        with suppress(ProcessLookupError):
            os.kill(owner.pid, signal.SIGUSR1)

    def left(self) -> list[psutil.Process]:
        """Give the processes of these grids that still live."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(ASKED) == str(self.inside):
                    found.append(process)
        return found

    def end(self) -> None:
        """Kill whatever still plays."""
        for process in self.left():
            with suppress(psutil.Error):
                process.kill()
        for grid in self.grids:
            grid.wait()

    def _environment(self) -> dict[str, str]:
        path = os.environ.get("PYTHONPATH")
        paths = os.pathsep.join(filter(None, [str(self.inside), path]))
        return os.environ | {"PYTHONPATH": paths, ASKED: str(self.inside), "OMP_NUM_THREADS": "1"}

    def _make_way(self) -> None:
        """Do what a message of a grid has asked its user to do."""
        for folder in self.runs():
            with suppress(OSError):
                (folder / "worker.log").rmdir()
