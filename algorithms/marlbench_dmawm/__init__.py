"""DMAWM, "Learning Disentangled Multi-Agent World Model for Decentralized Control", ICML 2026.

Equations, tables and appendices are cited by the numbers of the anonymous review version.
"""

from collections.abc import Iterable

from marlbench.plugin import Agent, Algorithm, Appearance, EnvSpec, PhasedAgent, Phases, hookimpl
from marlbench.studies import Study
from marlbench_dmawm.config import Config
from marlbench_dmawm.presets import PRESETS
from marlbench_dmawm.studies import ABLATIONS

marlbench_api = 2


def build(config: Config, spec: EnvSpec, seed: int, device: str) -> Agent:
    """Import the learner only when a run asks for it."""
    from marlbench_dmawm.agent import Dmawm

    return Dmawm(config, spec, seed, device)


def build_plain(config: Config, spec: EnvSpec, seed: int, device: str) -> PhasedAgent:
    """Import the learner's plain loops, which the bench compares it with."""
    from marlbench_dmawm.plain import PlainDmawm

    return PlainDmawm(config, spec, seed, device)


PHASES = Phases(
    sizes={"D=256": {"deter": 256}, "D=512": {}},
    agents=(2, 5, 10, 25),
    on_cpu={"batch": 1, "rollouts": 8},
    quick={
        "batch": 2, "length": 8, "horizon": 3, "rollouts": 8, "epochs": 1, "deter": 16, "heads": 4,
        "units": 16, "decoder_units": 16, "policy_units": 16, "latents": 4, "classes": 4,
    },
    plain=build_plain,
)  # fmt: skip
"""The paper's loops and widths; on a CPU a sixteenth of its windows, 8 of its 1,024 rollouts."""


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
            phases=PHASES,
        )
    ]


@hookimpl
def marlbench_studies() -> Iterable[Study]:
    """Offer the paper's ablations."""
    return [ABLATIONS]
