"""MAPPO, Yu et al. 2022, arXiv:2103.01955v4; with `central_value` off it is IPPO."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from marlbench.plugin import Agent, Algorithm, Appearance, EnvSpec, hookimpl
from marlbench_mappo.config import MappoConfig

marlbench_api = 2

SMOKE = {"num_envs": 2, "rollout_steps": 100, "hidden": 16, "epochs": 2}
QUICK = {"rollout_steps": 100, "epochs": 10, "bootstrap_timeouts": True}
REFERENCE = {"num_envs": 32, "rollout_steps": 200, "epochs": 15}
PRESETS = {"smoke": SMOKE, "quick": QUICK, "reference": REFERENCE}


def build(config: MappoConfig, spec: EnvSpec, seed: int, device: str) -> Agent:
    """Import the learner only when a run asks for it."""
    from marlbench_mappo.agent import Mappo

    return Mappo(config, spec, seed, device)


@hookimpl
def marlbench_algorithms() -> Iterable[Algorithm]:
    """Offer MAPPO, and IPPO, whose critic sees what its agent sees."""
    shared: dict[str, Any] = {
        "execution": "decentralised",
        "stochastic": True,
        "actions": ("discrete", "box"),
        "presets": PRESETS,
    }
    mappo = Algorithm(
        "mappo",
        MappoConfig,
        build,
        paper="Yu et al. 2022, arXiv:2103.01955v4",
        appearance=Appearance("MAPPO", False, 20, "#E69F00", "dotted", "square"),
        **shared,
    )
    ippo = Algorithm(
        "ippo",
        MappoConfig,
        build,
        paper="de Witt et al. 2020, arXiv:2011.09533v1",
        appearance=Appearance("IPPO", False, 22, "#A6761D", "dashed", "pentagon"),
        defaults={"central_value": False},
        **shared,
    )
    return [mappo, ippo]
