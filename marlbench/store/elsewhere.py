"""Whether another machine plays a run, whose lock may not be seen here."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

from marlbench.store.owner import place
from marlbench.store.writing import newest_attempt, newest_owner

FRESH = 120.0
"""Seconds for which a sign of life of another machine's worker says that it lives."""


def lives_elsewhere(
    folder: Path, progress: dict[str, Any] | None, provenance: dict[str, Any] | None
) -> bool:
    """Judge a worker of another machine by its last sign of life: its progress, or its beginning.

    One that has just taken a run over has written nothing yet. Whose worker it superseded must not
    take it for dead, or the two would take the run from each other for ever.
    """
    owner, newest = newest_owner(folder), newest_attempt(folder)
    away = owner is not None and owner.place != place()
    if away and newest is not None and time.time() - newest.stat().st_mtime < FRESH:
        return True
    if not progress or not provenance or provenance.get("host") == socket.gethostname():
        return False
    return time.time() - float(progress["time"]) < FRESH
