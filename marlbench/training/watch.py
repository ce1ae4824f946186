"""The process that films a run: `python -m marlbench.training.watch FOLDER FILE EPISODES FPS OF`.

It ends with an `ExitCode`; where the run cannot be filmed, a line says why.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from marlbench.errors import RAISED_BY_PLUGINS, one_line
from marlbench.exit_codes import ExitCode, leave
from marlbench.store import read_spec
from marlbench.store.reading import read

if TYPE_CHECKING:
    from marlbench.training.playback import Frame


def film(folder: Path, path: Path, episodes: int, fps: int, of: str) -> str:
    """Film a run's agent on its evaluation episodes; give a line that says what it is.

    `of`: its `newest` policy, the `best` that it keeps or that of a point.
    """
    from marlbench.training import playback
    from marlbench.training.film import write
    from marlbench.training.trained import trained
    from marlbench.training.worker import from_catalogue, prepare_torch

    spec = read_spec(folder)
    algorithm, suite = from_catalogue(spec)
    prepare_torch(spec.run.model_copy(update={"device": "cpu"}), spec.seed)
    env = playback.copies_of(spec, suite)
    try:
        agent, env_steps = trained(folder, spec, algorithm, env.spec, of)
        evaluated = [row for row in read(folder).evaluations() if row["env_steps"] == env_steps]
        point = evaluated[-1]["step"] if evaluated else env_steps
        frames = playback.Playback(agent, env, suite, spec, point).frames(episodes)
        count = write(path, told(frames), fps)
    finally:
        env.close()
    which = f"the first of the evaluation at {point}" if evaluated else "of no evaluation's row"
    return f"{count} frames, {spec.label} after {env_steps} env steps, episodes {which}"


def told(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Pass frames on, and say how each episode ended."""
    for frame in frames:
        yield frame
        if frame.last:
            print(f"  {frame.caption}", flush=True)


def main(arguments: list[str]) -> int:
    """Film the run that the command line names."""
    if len(arguments) != 5:
        usage = "python -m marlbench.training.watch FOLDER FILE EPISODES FPS OF"
        print(f"usage: {usage}", file=sys.stderr)
        return ExitCode.USAGE
    # environments may change the working directory; what is said names both as they were named
    folder, path = (Path(each).absolute() for each in arguments[:2])
    try:
        said = film(folder, path, int(arguments[2]), int(arguments[3]), arguments[4])
        print(f"{arguments[1]}: {said}")
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except RAISED_BY_PLUGINS as error:
        print(f"marlbench: {arguments[0]} cannot be filmed: {one_line(error)}", file=sys.stderr)
        return ExitCode.FAILED
    return ExitCode.OK


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
