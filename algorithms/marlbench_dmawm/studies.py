"""The paper's ablations as a study [section 5.3, Figure 3]."""

from __future__ import annotations

from marlbench.studies import Study, StudyFigure, Variant

__all__ = ["ABLATIONS"]

COMPONENTS = {
    "DMAWM": Variant("dmawm"),
    "DMAWM-TC": Variant("dmawm", {"critic": "mlp"}),
    "DMAWM-IP": Variant("dmawm", {"predictor": "mlp"}),
    "DMAWM-AS": Variant("dmawm", {"absorbing_state": False}),
}
HORIZONS = {
    f"horizon {steps}": Variant("dmawm", {"horizon": steps})
    for steps in (4, 8, 12, 16)  # the paper's text does not say which; 4 and 16 are in it
}

ABLATIONS = Study(
    name="dmawm-ablations",
    summary="DMAWM without each of its core components, and with other horizons (Figure 3)",
    variants={**COMPONENTS, **HORIZONS},
    figures=(
        StudyFigure("Ablation on core components", tuple(COMPONENTS)),
        StudyFigure("Ablation on imagination horizon", tuple(HORIZONS), along="horizon"),
    ),
    seeds=3,
)
"""Of three seeds, as the paper's."""
