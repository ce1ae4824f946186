"""Asks in a process of its own what agents see and how they act: whoever plans builds nothing."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from functools import cache
from subprocess import DEVNULL, Popen, TimeoutExpired

from marlbench.plugin import ActionKind

PATIENCE = 120.0
"""Seconds in which an environment must have been built; one that hangs is not waited for."""
CODES: dict[tuple[bool, ActionKind], int] = {
    (False, "discrete"): 0,
    (True, "discrete"): 10,
    (False, "box"): 11,
    (True, "box"): 12,
}
"""Exit codes; whatever else comes, the run itself will say what is wrong."""


@cache
def asked(task: str, config: str) -> tuple[bool, ActionKind]:
    """Whether the task with these settings (JSON) shows images, and how agents act.

    No and `discrete` where it cannot be built.
    """
    command = [sys.executable, "-m", __name__, task, config]
    building = Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
    try:
        code = building.wait(PATIENCE)
    except TimeoutExpired:
        code = 0
    finally:
        with suppress(ProcessLookupError):  # and all that the environment has started
            os.killpg(building.pid, signal.SIGKILL)
        building.wait()
    return next((said for said, known in CODES.items() if known == code), (False, "discrete"))


def main(task: str, config: str) -> int:
    """Build the task and give the exit code."""
    from marlbench_pettingzoo.config import Config
    from marlbench_pettingzoo.parallel import build_parallel

    env = build_parallel(task, Config.model_validate_json(config))
    return CODES[env.spec.obs_dtype == "uint8", env.spec.actions]


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))  # whatever threads the environment has left running
