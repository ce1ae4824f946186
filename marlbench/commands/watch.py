"""`marlbench watch`: film a trained agent, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from marlbench.config import RunSpec
from marlbench.errors import UserError, did_you_mean
from marlbench.exit_codes import ExitCode
from marlbench.grid.slots import Slot
from marlbench.host import Catalogue
from marlbench.installation import pip_install
from marlbench.needs import require_installed
from marlbench.plugin import Suite
from marlbench.store import read_spec
from marlbench.store.folder import CHECKPOINTS, SPEC
from marlbench.store.kept import chosen
from marlbench.store.reading import read

__all__ = ["film_run"]

KINDS = (".gif", ".mp4")


def film_run(  # noqa: PLR0913 - one parameter per option
    catalogue: Catalogue,
    run: str,
    results: Path,
    out: Path | None,
    episodes: int,
    fps: int,
    of: str,
) -> int:
    """Film a run; give the exit code. Raises UserError before anything heavy is loaded."""
    folder = find_run(run, results)
    path = out or folder / "film.gif"
    check_film(path)
    check_drawable(catalogue, folder)
    check_playable(catalogue, folder, of)
    print(f"filming {folder}", flush=True)
    command = [sys.executable, "-P", "-m", "marlbench.training.watch"]
    command += [str(folder), str(path), str(episodes), str(fps), of]
    before = made(path)
    # a film needs one copy and no learning: one thread, no GPU
    code = subprocess.run(command, env=Slot("film", "", 1).environment(), check=False).returncode
    return unfinished("film", folder) if code == ExitCode.OK and made(path) == before else code


def made(path: Path) -> int | None:
    """Say when a file was made, None where there is none."""
    return path.stat().st_mtime_ns if path.exists() else None


def unfinished(verb: str, folder: Path) -> int:
    """Say that a process ended well by its code and did nothing, as an environment may end it."""
    print(f"marlbench: cannot {verb} {folder}: its process ended in mid-play", file=sys.stderr)
    return ExitCode.FAILED


def find_run(run: str, results: Path, command: str = "watch") -> Path:
    """Give the run's folder, for its path, or its path below results, or the only one there."""
    places = list(dict.fromkeys([Path(run), results / run]))
    for place in places:
        if (place / SPEC).is_file():
            return place
    below = sorted(spec.parent for place in places for spec in place.glob(f"**/seed_*/{SPEC}"))
    if len(below) == 1:
        return below[0]
    if below:
        raise UserError(f"{run} holds {len(below)} runs, name one: marlbench {command} {below[0]}")
    known = [str(spec.parent) for spec in results.glob(f"*/*/*/seed_*/{SPEC}")]
    near = did_you_mean(run, known) or did_you_mean(str(results / run), known)
    raise UserError(f"there is no run {run!r}{near or ': give its folder'} (marlbench status)")


def check_film(path: Path) -> None:
    """Raise UserError for a film that cannot be written."""
    if path.suffix not in KINDS:
        raise UserError(f"--out {path}: a film is a {' or a '.join(KINDS)} file")
    if not path.parent.is_dir():
        raise UserError(f"--out {path}: there is no folder {path.parent}")
    if path.suffix == ".mp4" and find_spec("imageio_ffmpeg") is None:
        raise UserError(f"mp4 needs imageio-ffmpeg: {pip_install('video')}, or --out FILE.gif")


def check_drawable(catalogue: Catalogue, folder: Path) -> None:
    """Raise UserError for a run whose suite draws nothing."""
    suite = catalogue.suite(spec_of(folder).suite)
    if suite.render is None:
        drawn = ", ".join(name for name, each in catalogue.suites.items() if each.render)
        raise UserError(f"the suite {suite.name!r} cannot be drawn; these can: {drawn}")


def check_playable(catalogue: Catalogue, folder: Path, of: str) -> Suite:
    """Give the suite of a run; raises UserError for one that has no such policy to play."""
    spec = spec_of(folder)
    catalogue.algorithm(spec.algorithm)
    suite = catalogue.suite(spec.suite)
    require_installed(suite)
    if not any((folder / CHECKPOINTS).glob("*.json")):
        raise UserError(f"{folder} {without_checkpoint(folder)}")
    try:
        chosen(folder, of)
    except ValueError as error:
        raise UserError(str(error)) from error
    return suite


def without_checkpoint(folder: Path) -> str:
    """Say why a run has no checkpoint, and what can be done; raises UserError for a damaged one."""
    try:
        record = read(folder)
    except ValueError as error:
        raise UserError(f"{folder} cannot be read: {error}") from error
    reason = " ".join(str((record.failure or {}).get("reason", "no reason was left")).split())
    if record.status == "diverged":
        return (
            f"{reason}; that was before its first checkpoint: name another run (marlbench status)"
        )
    if record.status == "failed":
        return f"failed before its first checkpoint ({reason}): the same marlbench run tries again"
    if record.status == "done":
        return "is done and its checkpoints are gone: play it again, with another --results"
    return "has no checkpoint yet: marlbench status says how far it is"


def spec_of(folder: Path) -> RunSpec:
    """Give the document of a run; raises UserError for a damaged one."""
    try:
        return read_spec(folder)
    except ValueError as error:
        raise UserError(f"{folder} cannot be read: {error}") from error
