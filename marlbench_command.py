"""The command `marlbench`, outside the package of that name: another may stand in its place."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

__all__ = ["main"]


def main() -> None:
    """Run the command line; where Python finds another's package, say whose and how to mend it."""
    try:
        from marlbench.cli import main as command_line
    except ImportError:
        if (other := in_its_place()) is None:
            raise
        print(f"marlbench: {other}", file=sys.stderr)
        sys.exit(2)
    command_line()


def in_its_place() -> str | None:
    """Ask our `installation.py`, by its file because its package may not be the one found."""
    file = Path(__file__).with_name("marlbench") / "installation.py"
    spec = spec_from_file_location("marlbench_installation", file)
    if spec is None or spec.loader is None:
        return None
    installation = module_from_spec(spec)
    spec.loader.exec_module(installation)
    line: str | None = installation.clash()
    return line
