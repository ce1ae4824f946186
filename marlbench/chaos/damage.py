"""Damages files of a run that stands still, each in one of the ways that disks and people have."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

__all__ = ["DAMAGES", "candidates", "damage"]


def candidates(folder: Path) -> list[Path]:
    """Give the files that a run outlives: its checkpoints, metric files and signs of life."""
    names = ("eval.jsonl", "train.jsonl", "progress.json")
    inside = sorted((folder / "checkpoint").glob("[!.]*"))
    return [path for path in [*inside, *(folder / name for name in names)] if path.is_file()]


def damage(folder: Path, draws: random.Random) -> str | None:
    """Damage one file of a run; give which and how, None where there is none yet."""
    files = candidates(folder)
    if not files:
        return None
    path, kind = draws.choice(files), draws.choice(list(DAMAGES))
    DAMAGES[kind](path, draws)
    return f"{path.relative_to(folder)} {kind}"


def _flip(path: Path, draws: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[draws.randrange(len(content))] ^= 1 << draws.randrange(8)
    path.write_bytes(content)


def _cut(path: Path, draws: random.Random) -> None:
    os.truncate(path, draws.randrange(path.stat().st_size + 1))


def _empty(path: Path, _: random.Random) -> None:
    path.write_bytes(b"")


def _other(path: Path, _: random.Random) -> None:
    path.write_text("{}\n")


def _noise(path: Path, draws: random.Random) -> None:
    path.write_bytes(draws.randbytes(path.stat().st_size))


def _remove(path: Path, _: random.Random) -> None:
    path.unlink()


def _of_another(path: Path, draws: random.Random) -> None:
    others = [each for each in sorted(path.parent.iterdir()) if each.is_file() and each != path]
    if others:
        shutil.copyfile(draws.choice(others), path)


def _a_stranger_beside(path: Path, draws: random.Random) -> None:
    (path.parent / f"{draws.randrange(10**6):06d}.json").mkdir(exist_ok=True)


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    "with a bit flipped": _flip,
    "cut": _cut,
    "emptied": _empty,
    "replaced by {}": _other,
    "overwritten": _noise,
    "removed": _remove,
    "replaced by another": _of_another,
    "beside a stranger's folder": _a_stranger_beside,
}
