"""Everything a run needs to go on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from marlbench.store import files
from marlbench.store.folder import CHECKPOINTS, POLICIES
from marlbench.training.replay_segments import (
    Damaged,
    Segments,
    checksum,
    empty_buffers,
    put_buffers,
    take_buffers,
    verify,
)

if TYPE_CHECKING:
    from marlbench.plugin import ReplayBuffer
    from marlbench.store import Journal
    from marlbench.store.kept import Kept

KEEP = 2
"""Checkpoints that stay: the newest, and one to fall back on."""


class Checkpoints:
    """The checkpoint folder of a run: `<n>.json` names the files of the n-th, and is written last.

    A state is saved less its buffers, whose rows lie in segment files that checkpoints share.
    """

    def __init__(self, journal: Journal, device: str) -> None:
        """Open the folder; tensors are loaded for this device."""
        self.folder = journal.folder / CHECKPOINTS
        self.folder.mkdir(exist_ok=True)
        self._journal = journal
        self._device = device
        self._segments = Segments(self.folder)

    def save(self, content: dict[str, Any], env_steps: int, policies: Sequence[Kept] = ()) -> None:
        """Write the next checkpoint, then let go of all but the newest two.

        So with the files of kept policies: those stay that one of the two names.

        Replay buffers are looked for in `content["agent"]` alone.
        """
        self._journal.require_newest()
        number = max(self._numbers(), default=0) + 1
        buffers: dict[str, ReplayBuffer] = {}
        state = content | {"agent": take_buffers(content["agent"], buffers)}
        document = {"env_steps": env_steps, "buffers": self._segments.save(buffers, number)}
        path = self.folder / f"{number:06d}.pt"
        with files.replacing(path) as file:
            torch.save(state, file)
        document |= {"state": {"file": path.name, "crc": checksum(path)}}
        document |= {"offsets": self._journal.offsets()}
        document |= {"policies": [asdict(policy) for policy in policies]}
        self._journal.require_newest()
        files.replace_json(self._manifest(number), document)
        self._collect_garbage()
        self._journal.append_event("checkpoint", env_steps=env_steps, number=number)

    def load(self) -> tuple[dict[str, Any] | None, list[str]]:
        """Give the newest usable content, None without one, and why newer ones were passed over.

        The metric files are cut to where they were when it was taken.
        """
        damages: list[str] = []
        for number in sorted(self._numbers(), reverse=True):
            try:
                document = self._read_manifest(number)
                content = self._read(document)
            except Damaged as damage:
                damages.append(f"checkpoint {number}: {damage}")
                self._journal.require_newest()
                self._manifest(number).unlink()
                continue
            self._journal.rewind(document["offsets"])
            return content, damages
        self._journal.rewind(None)
        return None, damages

    def _read_manifest(self, number: int) -> dict[str, Any]:
        return read_manifest(self._manifest(number))

    def _read(self, document: dict[str, Any]) -> dict[str, Any]:
        if not self._journal.reaches(document["offsets"]):
            raise Damaged("the metric files have lost rows")
        content = read_content(self.folder, document, self._device)
        buffers = self._segments.load(document["buffers"])
        return content | {"agent": put_buffers(content["agent"], buffers)}

    def _collect_garbage(self) -> None:
        """Remove old manifests first, then every file that no manifest names."""
        for number in sorted(self._numbers())[:-KEEP]:
            self._manifest(number).unlink()
        used = {name for number in self._numbers() for name in self._names(number)}
        for path in self.folder.iterdir():
            if path.name not in used:
                path.unlink()
        kept = {each["file"] for number in self._numbers() for each in self._policies(number)}
        for path in (self.folder.parent / POLICIES).glob("*"):
            if path.name not in kept:
                path.unlink()

    def _policies(self, number: int) -> list[dict[str, Any]]:
        return list(self._read_manifest(number).get("policies", ()))

    def _names(self, number: int) -> list[str]:
        document = self._read_manifest(number)
        segments = [
            s["file"] for buffer in document["buffers"].values() for s in buffer["segments"]
        ]
        return [self._manifest(number).name, document["state"]["file"], *segments]

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self.folder.glob("*.json")]

    def _manifest(self, number: int) -> Path:
        return self.folder / f"{number:06d}.json"


def newest_agent(folder: Path) -> tuple[dict[str, Any], int]:
    """Give the agent's state in a run's newest usable checkpoint, for the CPU, and its env steps.

    The agent can act, but its buffers are empty: nothing of the replay is read. No file is changed,
    so another process may work on the run meanwhile. Raises `Damaged` where there is no such agent.
    """
    place, damage = folder / CHECKPOINTS, Damaged("it has no checkpoint yet")
    for manifest in sorted(place.glob("*.json"), reverse=True):
        try:
            document = read_manifest(manifest)
            content = read_content(place, document, "cpu")
        except (Damaged, FileNotFoundError) as reason:  # a newer one may have replaced it
            damage = Damaged(f"its checkpoint {manifest.stem} cannot be used: {reason}")
            continue
        return put_buffers(content["agent"], empty_buffers(document["buffers"])), document[
            "env_steps"
        ]
    raise damage


def read_manifest(path: Path) -> dict[str, Any]:
    """Give the document that names a checkpoint's files; raises `Damaged`."""
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise Damaged(f"{path.name} is unreadable") from error
    return document


def read_content(folder: Path, document: dict[str, Any], device: str) -> dict[str, Any]:
    """Give what the checkpoint of this document holds, less its buffers; raises `Damaged`."""
    path = folder / document["state"]["file"]
    verify(path, document["state"]["crc"])
    # a run that computes on the CPU may go on from a GPU's checkpoint; the file is our own
    place = None if device == "cuda" else "cpu"
    content: dict[str, Any] = torch.load(path, map_location=place, weights_only=False)
    return content
