"""MBVD: Xu et al. 2022, arXiv:2204.09418 (NeurIPS 2022), as the DMAWM paper runs it.

Written from the only public code, a third party's copy in Jonarain/Enhanced-Imagination-and-
Feature-Balancing-for-Cooperative-Multi-Agent-Reinforcement-Learning at 0cac5dd (Apache-2.0), as a
reference; no code of it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from marlbench.plugin import Algorithm, Appearance, hookimpl
from marlbench_mbvd.config import PRESETS, MbvdConfig

if TYPE_CHECKING:
    from marlbench.plugin import Agent, EnvSpec

marlbench_api = 2


def build(config: MbvdConfig, spec: EnvSpec, seed: int, device: str) -> Agent:
    """Import the learner, and torch, only when a run asks for it."""
    from marlbench.toolbox.value_learning import ValueAgent
    from marlbench_mbvd.agent import Mbvd

    return ValueAgent(Mbvd(config, spec, seed, device))


@hookimpl
def marlbench_algorithms() -> Iterable[Algorithm]:
    """Offer MBVD."""
    return [
        Algorithm(
            "mbvd",
            MbvdConfig,
            build,
            execution="decentralised",
            agent_index="told",
            paper="Xu et al. 2022, arXiv:2204.09418",
            appearance=Appearance("MBVD", True, 20, "#0072B2", "dashdot", "up"),
            presets=PRESETS,
        )
    ]
