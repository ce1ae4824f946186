"""How long a worker takes to begin: `python -m marlbench.bench.first_step FOLDER`.

It is the worker of this run until any copy is asked for its first env step. Then it prints the
processor's seconds since the process began, and ends.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from marlbench.training import worker
from marlbench.vecenv.checks import CheckedVectorEnv


def tell(*_: Any) -> Any:
    """Print the seconds and end, in place of the first step."""
    print(time.process_time(), flush=True)
    os._exit(0)


if __name__ == "__main__":
    CheckedVectorEnv.step = tell  # type: ignore[assignment,method-assign]
    sys.exit(worker.main(sys.argv[1:]))
