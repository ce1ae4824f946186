"""The documents of a run's checkpoints: `<n>.json` names the files of the n-th, with a checksum."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marlbench.store import files

NAME = re.compile(r"(\d{6,12})\.json")


def path_of(folder: Path, number: int) -> Path:
    """Give where a checkpoint's document lies."""
    return folder / f"{number:06d}.json"


def number_of(path: Path) -> int:
    """Give the number in a document's name, 0 for what is named otherwise."""
    found = NAME.fullmatch(path.name)
    return int(found[1]) if found else 0


def numbers(folder: Path) -> list[int]:
    """Give the numbers of all documents, oldest first; folders and links of such names are none."""
    paths = folder.glob("*.json") if folder.is_dir() else ()
    found = [path for path in paths if path.is_file() and not path.is_symlink()]
    return sorted(number_of(path) for path in found if number_of(path))


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Replace a checkpoint's document, durably."""
    files.replace_json(path, {"crc": _crc(document), "checkpoint": document})


def read(path: Path) -> dict[str, Any]:
    """Give a document as it was written; ValueError for one that is damaged or missing."""
    document = files.read_json(path)
    if document is None:
        raise ValueError(f"{path.name} is missing")
    content = document.get("checkpoint")
    if not isinstance(content, dict) or document.get("crc") != _crc(content):
        raise ValueError(f"{path.name} is not what was written")
    return content


def is_older(path: Path) -> bool:
    """Say whether an older version wrote this document: its checkpoints were pickles."""
    try:
        document = files.read_json(path) or {}
    except ValueError:
        return False
    return "state" in document and "crc" not in document


def _crc(document: Mapping[str, Any]) -> int:
    """Give the CRC-32 of a document, however it is laid out."""
    return zlib.crc32(json.dumps(files.finite(document), sort_keys=True).encode())
