"""The executable: `SC2_x64 -listen HOST -port PORT -dataDir FOLDER ...`."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

from game.faults import PREFIX, Faults
from game.installation import count_launch
from game.server import LIFETIME, listen


def main() -> None:
    """Listen where the client says; further arguments are the real game's and mean nothing."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("-listen", default="127.0.0.1")
    parser.add_argument("-port", type=int, required=True)
    parser.add_argument("-dataDir", type=Path, required=True)
    arguments, _ = parser.parse_known_args()
    signal.alarm(LIFETIME)
    if any(key.startswith(f"{PREFIX}HANG") for key in os.environ):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a hung game does not heed it
    faults = Faults(os.environ, count_launch(arguments.dataDir))
    listen(arguments.listen, arguments.port, faults)


if __name__ == "__main__":
    main()
