"""Plays episodes in other processes: `python -m marlbench.testing.elsewhere FILE`.

Sets are in another order there, addresses differ, and nothing that was imported here is there.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from marlbench.vecenv.random_play import random_episode
from marlbench.vecenv.single import SingleEnv

if TYPE_CHECKING:
    from marlbench.plugin import Step

SEEDS = (0, 1)
"""Of the episodes that are played."""
HASH_SEEDS = ("1", "2")
"""Of the processes, by which the order of strings in a set differs."""


def in_other_processes(blob: bytes) -> Iterator[list[list[Step]]]:
    """Play in each process what `(build, build_vector, task, config)`, pickled, builds.

    One of the first two may be None. Gives each process's episodes.

    Raises RuntimeError with the last line of what a process said that did not come to its end.
    """
    for hash_seed in HASH_SEEDS:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "episodes"
            file.write_bytes(blob)
            ran = subprocess.run(
                [sys.executable, "-m", __name__, str(file)],
                env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": _importable()},
                capture_output=True,
                text=True,
            )
            if ran.returncode:
                said = (ran.stderr.strip() or f"code {ran.returncode}").splitlines()[-1]
                raise RuntimeError(f"another process could not play it: {said}")
            yield pickle.loads(file.read_bytes())


def _importable() -> str:
    """Give all that can be imported here as a search path for there."""
    return os.pathsep.join(path or os.getcwd() for path in sys.path)


def main(file: Path) -> None:
    """Play what the file says and put the episodes there."""
    build, build_vector, task, config = pickle.loads(file.read_bytes())
    env = SingleEnv(build_vector(task, config, 1)) if build_vector else build(task, config)
    episodes = [list(random_episode(env, seed)) for seed in SEEDS]
    env.close()
    file.write_bytes(pickle.dumps(episodes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
