"""Files that survive a kill: whole ones are replaced atomically, rows are appended in one write."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pydantic_core import from_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that move a cursor, colour a terminal or turn the direction of a text."""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors of a full disk, a quota, a limit on the size of files: later there may be room."""
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
"""Errors of what is closed to us: of a run's folder that may change, too."""
ROOM = 1 << 17
"""Bytes without which no worker need begin."""


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
    """Append one JSON line in a single write; with `sync` it is on the disk afterwards.

    Raises OSError for a link, which may lead out of the run's folder.
    """
    line = json.dumps(finite(row), allow_nan=False).encode() + b"\n"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    try:
        _write(handle, line, path)
        if sync:
            os.fsync(handle)
    finally:
        os.close(handle)


def _write(handle: int, line: bytes, path: Path) -> None:
    """Write a line, in one go where there is room; else OSError, and nothing of it is there."""
    written = 0
    try:
        while written < len(line):
            written += os.write(handle, line[written:])
    except OSError as error:
        if written:
            os.ftruncate(handle, os.fstat(handle).st_size - written)
        raise OSError(error.errno, error.strerror, str(path)) from error


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Give the rows of a JSON-lines file; none if there is no file, less a torn last line.

    Raises ValueError naming file and row for one that is damaged.
    """
    lines = (content(path) or b"").split(b"\n")
    whole = lines[:-1]  # what follows the last newline is torn
    return [_parsed(line, f"{path.name}, row {number}") for number, line in enumerate(whole, 1)]


def read_json(path: Path) -> dict[str, Any] | None:
    """Give a document, None if there is none; raises ValueError naming a file that is damaged."""
    text = content(path)
    return None if text is None else _parsed(text, path.name)


def content(path: Path) -> bytes | None:
    """Give the bytes of a file, None if there is none; ValueError as `opened` raises it."""
    try:
        with opened(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


def opened(path: Path) -> IO[bytes]:
    """Open a file to read it; FileNotFoundError where there is none.

    Raises ValueError for what is no file (a folder, a pipe that would never end) or is closed to
    us. A link is followed: reading changes nothing.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        if path.is_symlink():
            raise ValueError(f"{path.name} is a link to nothing") from None
        raise
    except OSError as error:
        raise ValueError(f"{path.name}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError(f"{path.name} is not a file")
    return open(handle, "rb")


def own_folder(path: Path) -> Path:
    """Make a folder within a run's; OSError for a link, which may lead out of it."""
    path.mkdir(exist_ok=True)
    if path.is_symlink():
        raise OSError(errno.ELOOP, "a link, which nothing is written through", str(path))
    return path


def printable(value: Any) -> Any:
    r"""Give a nested value whose texts can be shown: control characters are spelt out.

    >>> print(printable({"reason": "a" + chr(27) + "[2J"})["reason"])
    a\x1b[2J
    """
    if isinstance(value, str):
        return CONTROL.sub(lambda found: ascii(found[0])[1:-1], value)
    if isinstance(value, dict):
        return {printable(key): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, list) else value


def _parsed(text: bytes, place: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = _loaded(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place}: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{place}: a document of names and values was expected")
    # JSON allows control characters as \uXXXX alone, and what is beyond ASCII as it is
    return document if text.isascii() and b"\\u" not in text else printable(document)


def _loaded(text: bytes) -> Any:
    """Parse JSON in less than half of the time that the standard library takes.

    What this refuses is left to the library: it reads halves of surrogate pairs, which it writes.
    """
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)


def truncate(path: Path, size: int) -> None:
    """Cut a file to its first `size` bytes; it must have as many."""
    if size == 0:
        path.unlink(missing_ok=True)
        return
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        os.ftruncate(handle, size)
        os.fsync(handle)
    finally:
        os.close(handle)


def drop_torn_row(path: Path) -> None:
    """Cut what follows the last newline, so that the next row begins a line of its own."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            truncate(path, whole)


def extent(path: Path) -> tuple[int, int]:
    """Give bytes and CRC-32 of a file whose bytes are on the disk, (0, 0) if there is none."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return 0, 0
    with open(handle, "rb") as file:
        os.fsync(handle)
        return os.fstat(handle).st_size, zlib.crc32(file.read())


def begins_with(path: Path, size: int, crc: int) -> bool:
    """Say whether the first `size` bytes of a file are those of `extent`."""
    begun = (content(path) or b"")[:size]
    return len(begun) == size and zlib.crc32(begun) == crc


def no_room(error: BaseException, folder: Path) -> bool:
    """Say whether a disk is full or this folder closed: no fault of what was to be written."""
    if not isinstance(error, OSError):
        return error.__cause__ is not None and no_room(error.__cause__, folder)
    within = isinstance(error.filename, str) and Path(error.filename).is_relative_to(folder)
    return error.errno in FULL or (error.errno in CLOSED and within)


def unwritable(folder: Path) -> OSError | None:
    """Give what keeps a worker from writing into a folder; None where there is room."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".room-") as file:
            file.write(bytes(ROOM))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error
    return None


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
