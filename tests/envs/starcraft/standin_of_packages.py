"""Puts the stand-ins of `smac` and `smacv2` on the path, and looks after what they launch."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import Env, Step
from marlbench_starcraft import build, build_v2
from marlbench_starcraft.config import Config

STANDIN = Path(__file__).parent / "standin"
STOP, EAST, FIRST_ATTACK = 1, 4, 6

Policy = Callable[[Step], NDArray[np.int64]]


def smac(task: str = "3m", **settings: Any) -> Env:
    """Build a map of the stand-in of SMAC."""
    return build(task, Config(launch_spacing=0, **settings))


def smacv2(task: str = "protoss_5_vs_5", **settings: Any) -> Env:
    """Build a battle of the stand-in of SMACv2."""
    return build_v2(task, Config(launch_spacing=0, **settings))


def prefer(*actions: int) -> Policy:
    """Give the policy that takes, for each agent, the first of these that it may, or any."""

    def policy(step: Step) -> NDArray[np.int64]:
        worth = np.zeros(step.avail.shape[-1])
        worth[list(actions)] = np.arange(len(actions), 0, -1)
        return np.where(step.avail, worth, -1.0).argmax(-1)

    return policy


def charge(step: Step) -> NDArray[np.int64]:
    """Attack the first enemy that can be attacked, else walk to them."""
    actions = step.avail.shape[-1]
    return prefer(*range(FIRST_ATTACK, actions), EAST)(step)


wait, walk = prefer(STOP), prefer(EAST, STOP)


def play(env: Env, policy: Policy, seed: int = 0) -> list[Step]:
    """Give the steps of an episode."""
    steps = [env.reset(seed)]
    while not steps[-1].last:
        steps.append(env.step(policy(steps[-1])))
    return steps


def is_gone(pid: int, patience: float = 10.0) -> bool:
    """Wait for a process to end; one that nobody has collected yet has ended too."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
