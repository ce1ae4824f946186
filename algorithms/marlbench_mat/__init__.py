"""Multi-Agent Transformer, Wen et al. 2022, arXiv:2205.14953v3."""

from __future__ import annotations

from collections.abc import Iterable

from marlbench.plugin import Agent, Algorithm, Appearance, EnvSpec, hookimpl
from marlbench_mat.config import MatConfig

marlbench_api = 2

SMOKE = {"num_envs": 2, "rollout_steps": 100, "embedding": 16, "epochs": 2}
QUICK = {"rollout_steps": 100, "epochs": 10, "bootstrap_timeouts": True}
REFERENCE = {"num_envs": 32, "rollout_steps": 100, "epochs": 15, "clip": 0.05}


def build(config: MatConfig, spec: EnvSpec, seed: int, device: str) -> Agent:
    """Import the learner only when a run asks for it."""
    from marlbench_mat.agent import Mat

    return Mat(config, spec, seed, device)


@hookimpl
def marlbench_algorithms() -> Iterable[Algorithm]:
    """Offer MAT."""
    return [
        Algorithm(
            "mat",
            MatConfig,
            build,
            execution="centralised",
            agent_index="implied",
            stochastic=True,
            paper="Wen et al. 2022, arXiv:2205.14953v3",
            appearance=Appearance("MAT", False, 30, "#3B2E83", "dashdotdot", "down"),
            presets={"smoke": SMOKE, "quick": QUICK, "reference": REFERENCE},
        )
    ]
