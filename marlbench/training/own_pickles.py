"""Tells pickles that this user wrote from those that came from elsewhere: reading one runs it.

What a run pickles is signed with a key that no results folder holds. It lies in the user's state
folder (`$XDG_STATE_HOME`, else `~/.local/state`), closed to others.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from marlbench.store.folder import TRUST


def sign(pickled: bytes) -> str | None:
    """Give the signature of what this user pickled; None where no key can be kept."""
    key = _key(make=True)
    return None if key is None else hmac.digest(key, pickled, "sha256").hex()


def trusted(pickled: bytes, signature: object) -> bool:
    """Say whether this user signed these bytes, or trusts whatever is there."""
    if os.environ.get(TRUST) == "1":
        return True
    key = _key(make=False)
    if key is None or not isinstance(signature, str) or not signature.isascii():
        return False
    return hmac.compare_digest(hmac.digest(key, pickled, "sha256").hex(), signature)


def _key(make: bool) -> bytes | None:
    """Give the user's key; None where there is none, or others could know it."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    path = Path(state).expanduser() / "marlbench" / "key"
    with suppress(OSError, RuntimeError):
        if make and not path.exists():
            _write(path)
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with open(handle, "rb") as file:
            facts = os.fstat(handle)
            ours = facts.st_uid == os.geteuid() and not stat.S_IMODE(facts.st_mode) & 0o077
            return file.read() or None if ours else None
    return None


def _write(path: Path) -> None:
    """Make a key, which two workers can do at once: the first one stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"key.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, secrets.token_bytes(32))
        os.fsync(handle)
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.close(handle)
        draft.unlink()
