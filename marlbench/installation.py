"""How this copy of marlbench was installed: the command for more of it, and who is in its way."""

from __future__ import annotations

import json
import shlex
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

__all__ = ["DISTRIBUTION", "clash", "pip_install"]

DISTRIBUTION = "marlbench-suite"
"""What pip calls it. PyPI's `marlbench` is a stranger's project with the same import name."""
PACKAGE = "marlbench"
"""What Python imports, and the command."""


def pip_install(extra: str = "", *options: str) -> str:
    """Give the command that installs this copy again, with one of its extras.

    Every remedy takes it from here: a checkout installs itself with its pins, a copy from a git
    address or a file that same one, a copy from an index what the index has by our name.
    """
    return " ".join(["pip install", *options, *_source(f"[{extra}]" if extra else "")])


def clash() -> str | None:
    """Say in one line which other distribution has files under our import name, with the remedy.

    None if no other has. Python then imports files of either, whichever came last or stands first.
    """
    for other in metadata.distributions():
        if _has_our_package(other) and (name := other.metadata["Name"]) != DISTRIBUTION:
            said = f"the distribution {name!r} has files under the import name {PACKAGE!r} too"
            return f"{said}: {_removal(other, name)}"
    return None


def _source(extras: str) -> list[str]:
    """Give pip's arguments for where this copy came from."""
    here = Path(__file__).resolve().parents[1]
    if _is_checkout(here):
        return _from_checkout(here, extras, "-e")
    origin = _origin()
    url = origin.get("url", "")
    path = Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") else None
    if path is not None and _is_checkout(path):
        return _from_checkout(path, extras)
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return [shlex.quote(f"{DISTRIBUTION}{extras} @ {vcs['vcs']}+{url}@{vcs['commit_id']}")]
    if url and (path is None or path.is_file()):
        return [shlex.quote(f"{DISTRIBUTION}{extras} @ {url}")]
    return [shlex.quote(DISTRIBUTION + extras)]


def _from_checkout(root: Path, extras: str, *options: str) -> list[str]:
    """Give pip's arguments for a checkout, its pins included, as seen from the working folder."""
    inside = root == Path.cwd()
    pins = Path("constraints.txt") if inside else root / "constraints.txt"
    what = f"{'.' if inside else root}{extras}"
    return ["-c", shlex.quote(str(pins)), *options, shlex.quote(what)]


def _is_checkout(folder: Path) -> bool:
    """Whether a folder is our source tree."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (OSError, ValueError, KeyError):
        return False
    return bool(project["name"] == DISTRIBUTION)


def _origin() -> dict[str, Any]:
    """Give what pip wrote down of a copy that is not from an index (PEP 610); else nothing."""
    try:
        written = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:  # a folder on the path, never installed
        return {}
    return json.loads(written) if written else {}


def _has_our_package(distribution: metadata.Distribution) -> bool:
    """Whether a distribution brings the package: by the names it states, else by its files."""
    names = distribution.read_text("top_level.txt")
    if names is not None:
        return PACKAGE in names.split()
    files = distribution.read_text("RECORD") or ""
    return f"\n{PACKAGE}/" in f"\n{files}"


def _removal(other: metadata.Distribution, name: str) -> str:
    """Give the command that takes it away, and puts back what of ours went with it."""
    if other.read_text("RECORD") is None:  # left behind by an editable install: pip cannot see it
        left = f"{name.replace('-', '_')}.egg-info"
        return f"rm -r {shlex.quote(str(other.locate_file(left)))}"
    again = pip_install("", "--force-reinstall", "--no-deps")
    return f"pip uninstall -y {shlex.quote(name)} && {again}"
