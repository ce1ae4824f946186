"""QMIX as PyMARL2 tunes it: Rashid et al. 2018, arXiv:1803.11485v2; Hu et al., arXiv:2102.03479v19.

VDN (Sunehag et al. 2017, arXiv:1706.05296v1) and independent Q-learning (Tan 1993) are the same
page with another mixer. Written from hijkzzz/pymarl2 at 8ccac7c (Apache-2.0) as a reference;
no code of it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from marlbench.plugin import Algorithm, Appearance, hookimpl
from marlbench_qmix.config import PRESETS, QmixConfig

if TYPE_CHECKING:
    from marlbench.plugin import Agent, EnvSpec

marlbench_api = 2


def build(config: QmixConfig, spec: EnvSpec, seed: int, device: str) -> Agent:
    """Import the learner, and torch, only when a run asks for it."""
    from marlbench.toolbox.value_learning import ValueAgent
    from marlbench_qmix.agent import Qmix

    return ValueAgent(Qmix(config, spec, seed, device))


@hookimpl
def marlbench_algorithms() -> Iterable[Algorithm]:
    """Offer QMIX and, under their own names, its two other mixers."""
    papers = {
        "qmix": ("monotonic", "Rashid et al. 2018, arXiv:1803.11485v2"),
        "vdn": ("sum", "Sunehag et al. 2017, arXiv:1706.05296v1"),
        "iql": ("none", "Tan 1993; Tampuu et al. 2015, arXiv:1511.08779v1"),
    }
    shown = {
        "qmix": Appearance("QMIX", False, 10, "#009E73", "longdash", "diamond"),
        "vdn": Appearance("VDN", False, 12, "#66A61E", "dotted", "cross"),
        "iql": Appearance("IQL", False, 14, "#555555", "dashdot", "plus"),
    }
    return [
        Algorithm(
            name,
            QmixConfig,
            build,
            execution="decentralised",
            agent_index="told",
            paper=paper,
            appearance=shown[name],
            defaults={"mixer": mixer} if name != "qmix" else {},
            presets=PRESETS,
        )
        for name, (mixer, paper) in papers.items()
    ]
