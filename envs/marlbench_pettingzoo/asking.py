"""Asks in a process of its own whether observations are images: whoever plans builds nothing."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from functools import cache
from subprocess import DEVNULL, Popen, TimeoutExpired

PATIENCE = 120.0
"""Seconds in which an environment must have been built; one that hangs is not waited for."""
IMAGES = 10
"""Exit code for images; whatever else comes, the run itself will say what is wrong."""


@cache
def shows_images(task: str, config: str) -> bool:
    """Whether the task with these settings (JSON) shows images; False where it cannot be built."""
    command = [sys.executable, "-m", __name__, task, config]
    asked = Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
    try:
        return asked.wait(PATIENCE) == IMAGES
    except TimeoutExpired:
        return False
    finally:
        with suppress(ProcessLookupError):  # and all that the environment has started
            os.killpg(asked.pid, signal.SIGKILL)
        asked.wait()


def main(task: str, config: str) -> int:
    """Build the task and give the exit code."""
    from marlbench_pettingzoo.config import Config
    from marlbench_pettingzoo.parallel import build_parallel

    env = build_parallel(task, Config.model_validate_json(config))
    return IMAGES if env.spec.obs_dtype == "uint8" else 0


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))  # whatever threads the environment has left running
