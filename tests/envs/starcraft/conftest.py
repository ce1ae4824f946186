"""Makes the stand-in of the game importable as `game`, which is also how it runs."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

# No doctests, and what they import is not installed everywhere.
collect_ignore = [
    *(f"game/{name}.py" for name in ("messages", "protocol", "server", "__main__")),
    "standin",
]
