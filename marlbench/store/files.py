"""Files that survive a kill: whole ones are replaced atomically, rows are appended in one write."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[IO[bytes]]:
    """Give a file that takes the place of `path` once it is written and, if durable, on the disk.

    What is not durable survives kills of the process, but not of the machine.
    """
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False
    ) as file:
        try:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            Path(file.name).chmod(0o644)  # a temporary file is private, a result is not
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    if durable:
        sync_folder(path.parent)


def replace_json(path: Path, document: Any, durable: bool = True) -> None:
    """Replace `path` by this document, indented."""
    with replacing(path, durable) as file:
        file.write(json.dumps(finite(document), indent=2, allow_nan=False).encode() + b"\n")


def replace_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Replace `path` by this picture (height, width, 3); ValueError for what is none."""
    from PIL import Image

    if picture.dtype != "uint8" or picture.ndim != 3 or picture.shape[2] != 3:
        kind = f"{picture.dtype} {picture.shape}"
        raise ValueError(f"{path.name}: a picture is uint8 (height, width, 3), not {kind}")
    with replacing(path) as file:
        Image.fromarray(picture).save(file, format="PNG")


def append_row(path: Path, row: dict[str, Any], sync: bool = False) -> None:
    """Append one JSON line in a single write; with `sync` it is on the disk afterwards."""
    line = json.dumps(finite(row), allow_nan=False).encode() + b"\n"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        if os.write(handle, line) != len(line):
            raise OSError(f"{path}: only part of a row was written; is the disk full?")
        if sync:
            os.fsync(handle)
    finally:
        os.close(handle)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Give the rows of a JSON-lines file; none if there is no file, less a torn last line.

    Raises ValueError naming file and row for one that is damaged.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    whole = lines[:-1]  # what follows the last newline is torn
    return [_parsed(line, f"{path.name}, row {number}") for number, line in enumerate(whole, 1)]


def read_json(path: Path) -> dict[str, Any] | None:
    """Give a document, None if there is none; raises ValueError naming a file that is damaged."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    return _parsed(text, path.name)


def _parsed(text: bytes, place: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{place}: a document of names and values was expected")
    return document


def truncate(path: Path, size: int) -> None:
    """Cut a file to its first `size` bytes; it must have as many."""
    if size == 0:
        path.unlink(missing_ok=True)
        return
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def drop_torn_row(path: Path) -> None:
    """Cut what follows the last newline, so that the next row begins a line of its own."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            truncate(path, whole)


def size(path: Path) -> int:
    """Bytes of a file that are on the disk, 0 if there is none."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return 0
    try:
        os.fsync(handle)
        return os.fstat(handle).st_size
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def finite(value: Any) -> Any:
    """Give the value with null for every number that JSON cannot say (NaN, infinities)."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
