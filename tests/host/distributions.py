"""Distributions that tests install: a folder with real metadata, as pip would have left it."""

from __future__ import annotations

from itertools import count
from pathlib import Path

NUMBERS = count()

TINY = '''"""A learner that plays anything available and counts its updates."""

import os
import signal
import time

import numpy as np

from marlbench.plugin import Algorithm, AlgorithmConfig, hookimpl

marlbench_api = 2


class Config(AlgorithmConfig):
    """Settings of the tiny learner."""

    mood: str = "well"
    """What happens at the second update: `well`, `raise`, `die` or `slow` [ours]."""
    gain: float = 0.5
    """Nothing, but a setting [ours]."""

    @property
    def bound_to_steps(self) -> str:
        """Name what falls to the run's end: the mood, if it does."""
        return "mood" if self.mood == "falling" else ""


class Tiny:
    """Plays the first available action."""

    def __init__(self, config):
        self.config, self.updates = config, 0

    def start(self, num_envs):
        return None

    def act(self, step, policy_state, rng, explore):
        return step.avail.argmax(-1).astype(np.int64), None

    def observe(self, step, actions):
        pass

    def update(self):
        self.updates += 1
        if self.updates == 2 and self.config.mood == "raise":
            raise ValueError("the mood is bad")
        if self.updates == 2 and self.config.mood == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.config.mood == "slow":
            time.sleep(0.05)
        return {"updates": float(self.updates)}

    def state(self):
        return {"updates": self.updates}

    def load(self, state):
        self.updates = state["updates"]


def build(config, spec, seed, device):
    """Give the learner."""
    return Tiny(config)


@hookimpl
def marlbench_algorithms():
    """Offer it plain and in a variant."""
    presets = {"quick": {"gain": 0.25}}
    return [
        Algorithm("tiny", Config, build, "decentralised", presets=presets, wants_gpu=True),
        Algorithm("moody", Config, build, "decentralised", defaults={"mood": "raise"}),
    ]
'''


def plugin(body: str = "", api: str = "marlbench_api = 2") -> str:
    """The source of a plugin's module."""
    start = "from marlbench.plugin import Algorithm, AlgorithmConfig, Preset, Suite, hookimpl"
    return f'"""A plugin."""\n\n{start}\n\n{api}\n\n{body}\n'


def offering(name: str) -> str:
    """The source of a plugin that offers an algorithm of this name."""
    made = f'Algorithm("{name}", AlgorithmConfig, None, "decentralised")'
    return plugin(f"@hookimpl\ndef marlbench_algorithms():\n    return [{made}]")


def install(site: Path, name: str, plugins: dict[str, str], version: str = "1.0") -> None:
    """Install a distribution with a module per entry point, under names never used before."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = ["[marlbench]"]
    for entry, source in plugins.items():
        module = f"{name}_{entry}_{next(NUMBERS)}"
        (site / f"{module}.py").write_text(source)
        lines.append(f"{entry} = {module}")
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
