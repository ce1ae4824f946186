"""Everything a run needs to go on as if nothing had happened, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marlbench.errors import UserError
from marlbench.store import SpecConflict, files, manifest
from marlbench.store.folder import CHECKPOINTS, POLICIES, STEPS, deciding
from marlbench.training import own_pickles, saved_state
from marlbench.training.replay_segments import (
    BufferPlace,
    Damaged,
    Segments,
    checksum,
    empty_buffers,
    put_buffers,
    take_buffers,
    verify,
)
from marlbench.training.saved_state import Classes

if TYPE_CHECKING:
    from marlbench.config import RunSpec
    from marlbench.plugin import ReplayBuffer
    from marlbench.store import Journal
    from marlbench.store.kept import Kept

KEEP = 2
"""Checkpoints that stay: the newest, and one to fall back on."""
OURS = re.compile(r"(\d{6,12})\.(json|agent|position|copies|\d+\.ring|pt)|\.\d{6,12}\..+\.tmp")
"""What may be removed of a checkpoint folder; `pt` is of older versions."""


class Foreign(UserError):  # noqa: N818 - nothing is broken
    """A checkpoint is whole, but not for this run or this user: nothing is begun anew over it."""


class Checkpoints:
    """The checkpoint folder of a run: `<n>.json` names the files of the n-th, and is written last.

    Agent and position are data, less the agent's buffers, whose rows lie in segment files. Copies
    of the environment are a pickle, in a file apart. No two checkpoints share a file.
    """

    def __init__(self, journal: Journal, spec: RunSpec, device: str, classes: Classes) -> None:
        """Open the folder; tensors are loaded for this device.

        `classes` are the dataclasses and NamedTuples that a state may hold.
        """
        self.folder = files.own_folder(journal.folder / CHECKPOINTS)
        self._journal = journal
        self._settings = files.finite(deciding(spec))
        self._device = device
        self._classes = {**classes, **BUFFERS}
        self._segments = Segments(self.folder)

    def save(
        self, content: Mapping[str, Any], env_steps: int, policies: Sequence[Kept] = ()
    ) -> None:
        """Write the next checkpoint of agent, position and copies; keep the newest two.

        So with the files of kept policies: those stay that one of the two names.

        Replay buffers are looked for in `content["agent"]` alone.
        """
        self._journal.require_newest()
        number = max(map(manifest.number_of, self.folder.iterdir()), default=0) + 1
        buffers: dict[str, ReplayBuffer] = {}
        agent = take_buffers(content["agent"], buffers)
        copies: bytes | None = content["copies"]
        segments = self._segments.save(buffers, number)
        written = {
            "agent": self._write_state(number, "agent", agent),
            "position": self._write_state(number, "position", content["position"]),
        }
        if copies is not None:
            with files.replacing(self.folder / f"{number:06d}.copies") as file:
                file.write(copies)
            written["copies"] = self._written(number, "copies")
        document = {
            "env_steps": env_steps,
            "settings": self._settings,
            "extents": self._journal.extents(),
            "buffers": segments,
            "files": written,
            "policies": [asdict(policy) for policy in policies],
            "signature": None if copies is None else own_pickles.sign(copies),
        }
        self._journal.require_newest()
        manifest.write(manifest.path_of(self.folder, number), document)
        self._collect_garbage()
        self._journal.append_event("checkpoint", env_steps=env_steps, number=number)

    def load(self) -> tuple[dict[str, Any] | None, list[str]]:
        """Give the newest usable content, None without one, and why newer ones were passed over.

        The metric files are cut to where they were when it was taken. Raises `Foreign` for a
        whole one of other settings, of an older version, or with a pickle of somebody else.
        """
        damages: list[str] = []
        for number in reversed(manifest.numbers(self.folder)):
            try:
                document = read_manifest(manifest.path_of(self.folder, number))
                content = self._read(document)
            except Damaged as damage:
                damages.append(f"checkpoint {number}: {damage}")
                continue
            self._drop_newer(number)
            self._journal.rewind(document["extents"])
            return content, damages
        self._drop_newer(0)
        self._journal.rewind(None)
        return None, damages

    def _drop_newer(self, number: int) -> None:
        """Forget the damaged manifests above this number: the next save takes their place."""
        self._journal.require_newest()
        for newer in manifest.numbers(self.folder):
            if newer > number:
                manifest.path_of(self.folder, newer).unlink()

    def _write_state(self, number: int, part: str, state: Any) -> dict[str, Any]:
        with files.replacing(self.folder / f"{number:06d}.{part}") as file:
            saved_state.write(file, state, self._classes)
        return self._written(number, part)

    def _written(self, number: int, part: str) -> dict[str, Any]:
        path = self.folder / f"{number:06d}.{part}"
        return {"file": path.name, "crc": checksum(path)}

    def _read(self, document: dict[str, Any]) -> dict[str, Any]:
        self._refuse_other_settings(document["settings"])
        if not self._journal.reaches(document["extents"]):
            raise Damaged("the metric files have lost rows, or others are there")
        agent, position = (
            read_state(self.folder, document, part, self._classes, self._device)
            for part in ("agent", "position")
        )
        copies = self._copies(document)
        buffers = self._segments.load(document["buffers"])  # the last: it is gone on from
        return {
            "agent": put_buffers(agent, buffers),
            "position": position,
            "copies": copies,
            "steps": document["settings"].get(STEPS, self._settings[STEPS]),
        }

    def _copies(self, document: dict[str, Any]) -> bytes | None:
        """Give the pickled copies; raises `Foreign` where this user did not pickle them."""
        entry = document["files"].get("copies")
        if entry is None:
            return None
        path = self.folder / entry["file"]
        verify(path, entry["crc"])
        pickled = path.read_bytes()
        if not own_pickles.trusted(pickled, document["signature"]):
            raise Foreign(
                f"{path.name} holds pickled environments that this user did not write here, and "
                "reading them runs what they say: --trust goes on with them all the same"
            )
        return pickled

    def _refuse_other_settings(self, there: Mapping[str, Any]) -> None:
        """Raise `SpecConflict` for the first setting that is another than the checkpoint's.

        Fewer env steps in all are none: the run goes on to more.
        """
        asked = self._settings
        for key in sorted(there.keys() & asked.keys()):  # others are of another version
            if there[key] != asked[key] and not (key == STEPS and there[key] < asked[key]):
                raise SpecConflict(
                    f"its checkpoint was made with {key} = {there[key]!r}, spec.json says "
                    f"{asked[key]!r}: move the folder away to begin anew, or give spec.json back"
                )

    def _collect_garbage(self) -> None:
        """Remove old manifests first, then every file of ours that no manifest names."""
        for number in manifest.numbers(self.folder)[:-KEEP]:
            manifest.path_of(self.folder, number).unlink()
        used = {name for number in manifest.numbers(self.folder) for name in self._names(number)}
        for path in self.folder.iterdir():
            if path.name not in used and OURS.fullmatch(path.name) and not path.is_dir():
                path.unlink()
        self._drop_policies()

    def _drop_policies(self) -> None:
        """Remove the kept policies that no document names, but for what is not ours to remove."""
        place = self.folder.parent / POLICIES
        documents = map(self._document, manifest.numbers(self.folder))
        kept = {each["file"] for document in documents for each in document.get("policies", ())}
        for path in () if place.is_symlink() else place.glob("*.policy"):
            if path.name not in kept and not path.is_dir():
                path.unlink()

    def _document(self, number: int) -> dict[str, Any]:
        """Give a checkpoint's document; an empty one for one that is damaged."""
        try:
            return read_manifest(manifest.path_of(self.folder, number))
        except Damaged:
            return {}

    def _names(self, number: int) -> list[str]:
        """Give the files of a checkpoint: of one that is damaged, all that bear its number."""
        document = self._document(number)
        if not document:
            return [path.name for path in self.folder.glob(f"{number:06d}.*")]
        rings = document["buffers"].values()
        segments = [segment["file"] for ring in rings for segment in ring["segments"]]
        states = [entry["file"] for entry in document["files"].values()]
        return [manifest.path_of(self.folder, number).name, *states, *segments]


BUFFERS: dict[str, type] = saved_state.classes_in(BufferPlace(""))


def newest_agent(folder: Path, classes: Classes | None = None) -> tuple[dict[str, Any], int]:
    """Give the agent's state in a run's newest usable checkpoint, for the CPU, and its env steps.

    The agent can act, but its buffers are empty: nothing of the replay is read, nor of the pickled
    copies. `classes` are the dataclasses and NamedTuples that the learner's state holds. No file
    is changed, so another process may work on the run meanwhile. Raises `Damaged` where there is
    no such agent, `Foreign` for one of an older version.
    """
    place, damage = folder / CHECKPOINTS, Damaged("it has no checkpoint yet")
    known = {**(classes or {}), **BUFFERS}
    for number in reversed(manifest.numbers(place)):
        try:
            document = read_manifest(manifest.path_of(place, number))
            state = read_state(place, document, "agent", known, "cpu")
        except (Damaged, FileNotFoundError) as reason:  # a newer one may have replaced it
            damage = Damaged(f"its checkpoint {number:06d} cannot be used: {reason}")
            continue
        return put_buffers(state, empty_buffers(document["buffers"])), document["env_steps"]
    raise damage


def read_manifest(path: Path) -> dict[str, Any]:
    """Give a checkpoint's document; raises `Damaged`, or `Foreign` for an older version's."""
    if manifest.is_older(path):
        raise Foreign(
            f"its checkpoint {path.name} is a pickle of an older marlbench: go on with that "
            "version, or move the run's folder away to begin anew"
        )
    try:
        return manifest.read(path)
    except ValueError as error:
        raise Damaged(str(error)) from error


def read_state(
    folder: Path, document: dict[str, Any], part: str, classes: Classes, device: str
) -> Any:
    """Give the `agent` or `position` of the checkpoint of this document; raises `Damaged`."""
    entry = document["files"][part]
    path = folder / entry["file"]
    verify(path, entry["crc"])
    try:
        with files.opened(path) as file:
            return saved_state.read(file, classes, device)
    except ValueError as error:
        raise Damaged(f"{path.name}: {error}") from error
