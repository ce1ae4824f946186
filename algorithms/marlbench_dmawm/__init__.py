"""DMAWM, "Learning Disentangled Multi-Agent World Model for Decentralized Control", ICML 2026.

Equations, tables and appendices are cited by the numbers of the anonymous review version.
"""

from collections.abc import Iterable

from marlbench.plugin import Agent, Algorithm, Appearance, EnvSpec, hookimpl
from marlbench.studies import Study
from marlbench_dmawm.config import Config
from marlbench_dmawm.presets import PRESETS
from marlbench_dmawm.studies import ABLATIONS

marlbench_api = 2


def build(config: Config, spec: EnvSpec, seed: int, device: str) -> Agent:
    """Import the learner only when a run asks for it."""
    from marlbench_dmawm.agent import Dmawm

    return Dmawm(config, spec, seed, device)


@hookimpl
def marlbench_algorithms() -> Iterable[Algorithm]:
    """Offer DMAWM."""
    return [
        Algorithm(
            name="dmawm",
            config=Config,
            build=build,
            execution="decentralised",
            stochastic=True,
            actions=("discrete", "box"),
            paper="Learning Disentangled Multi-Agent World Model for Decentralized Control, 2026",
            appearance=Appearance("DMAWM", True, 30, "#B2182B", "solid", "circle"),
            presets=PRESETS,
            wants_gpu=True,
        )
    ]


@hookimpl
def marlbench_studies() -> Iterable[Study]:
    """Offer the paper's ablations."""
    return [ABLATIONS]
