"""MAMBA: Egorov & Shpilman 2022, arXiv:2205.15023v1, as its public code has it.

Written from jbr-ai-labs/mamba at 2c97258 as a reference; no code of it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from marlbench.plugin import Algorithm, Appearance, Phases, hookimpl
from marlbench_mamba.config import PRESETS, MambaConfig

if TYPE_CHECKING:
    from marlbench.plugin import Agent, EnvSpec

marlbench_api = 2


def build(config: MambaConfig, spec: EnvSpec, seed: int, device: str) -> Agent:
    """Import the learner, and torch, only when a run asks for it."""
    from marlbench_mamba.agent import Mamba

    return Mamba(config, spec, seed, device)


@hookimpl
def marlbench_algorithms() -> Iterable[Algorithm]:
    """Offer MAMBA."""
    return [
        Algorithm(
            name="mamba",
            config=MambaConfig,
            build=build,
            execution="communicating",
            agent_index="told",
            stochastic=True,
            paper="Egorov & Shpilman 2022, arXiv:2205.15023v1",
            appearance=Appearance("MAMBA", True, 10, "#D988B6", "dashed", "square"),
            presets=PRESETS,
            wants_gpu=True,
            phases=Phases({"paper": {"buffer": 6000}}, quick=PRESETS["smoke"] | {"buffer": 2000}),
        )
    ]
