"""Studies: a named set of labels and settings, played in place of algorithms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marlbench.errors import UserError
from marlbench.grid.plan import Plan, Request, make_plan
from marlbench.host import Catalogue, load_catalogue
from marlbench.overrides import Override
from marlbench.plugin import Algorithm, AlgorithmConfig, Preset
from marlbench.studies import Study, StudyFigure, Variant
from marlbench.validation import flaw


class Config(AlgorithmConfig):
    """Settings that a study varies."""

    width: int = 8
    """How wide [test]."""
    gamma: float = 0.9
    """Discount [test]."""


VARIANTS = {
    "Whole": Variant("one"),
    "Narrow": Variant("one", {"width": 4}),
    "8": Variant("one", {"width": 8}),
    "Other": Variant("two"),
}
STUDY = Study("sizes", "how wide", VARIANTS, (StudyFigure("Widths", ("Narrow", "8")),), seeds=2)


def unbuilt(*_: Any) -> Any:
    raise AssertionError("planning builds nothing")


@pytest.fixture
def catalogue() -> Catalogue:
    """Built-in presets and suites with two learners and a study."""
    catalogue = load_catalogue()
    learners = [Algorithm(name, Config, unbuilt, "decentralised") for name in ("one", "two")]
    catalogue.algorithms = {each.name: each for each in learners}
    catalogue.studies = {"sizes": STUDY}
    return catalogue


def plan_of(catalogue: Catalogue, **request: Any) -> Plan:
    asked: dict[str, Any] = {"algorithms": (), "suite": "skirmish", "study": "sizes"}
    return make_plan(catalogue, Request(**asked | request))


def test_every_variant_is_a_label_once_in_the_order_of_the_study(catalogue: Catalogue) -> None:
    plan = plan_of(catalogue, tasks=["3v3"])
    assert plan.seeds == (0, 1)
    assert [spec.label for spec in plan.specs] == ["one", "one-width=4", "two"] * 2
    narrow = plan.specs[1]
    assert narrow.algorithm_config["width"] == 4
    assert narrow.origins["algorithm.width"] == "study sizes"
    assert [each.name for each in plan.algorithms] == ["one", "two"]


def test_a_variant_is_the_label_of_whoever_sets_the_same_by_hand(catalogue: Catalogue) -> None:
    by_hand = [Override("one.width", 4, "--set")]
    (alone,) = plan_of(
        catalogue, study=None, algorithms=["one"], tasks=["3v3"], seeds=[0], overrides=by_hand
    ).specs
    varied = plan_of(catalogue, tasks=["3v3"], seeds=[0]).specs[1]
    assert varied.model_copy(update={"origins": alone.origins}) == alone


def test_what_falls_together_under_a_preset_is_played_once(catalogue: Catalogue) -> None:
    catalogue.presets["small"] = Preset("small", "", algorithms={"one": {"width": 4}})
    plan = plan_of(catalogue, tasks=["3v3"], seeds=[0], presets=["small"])
    assert [spec.label for spec in plan.specs] == ["one-small", "one", "two"]


def test_settings_that_the_study_leaves_alone_are_the_users(catalogue: Catalogue) -> None:
    plan = plan_of(catalogue, tasks=["3v3"], overrides=[Override("gamma", 0.5, "--set")])
    assert {spec.algorithm_config["gamma"] for spec in plan.specs} == {0.5}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"study": "size"}, "did you mean 'sizes'"),
        ({"algorithms": ["two"]}, "--algo two: the study sizes says who plays"),
        ({"study": None}, "--algo NAME, or --study NAME"),
        ({"label": "x"}, "--label x: the study sizes has its own labels"),
        (
            {"overrides": [Override("one.width", 2, "--set")]},
            "--set: one.width: the study sizes varies it",
        ),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(
    catalogue: Catalogue, request_: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        plan_of(catalogue, **request_)


def test_a_setting_that_the_algorithm_lacks_names_the_study(catalogue: Catalogue) -> None:
    wrong = replace(STUDY, variants={"Wrong": Variant("one", {"widht": 2})}, figures=())
    catalogue.studies = {"sizes": wrong}
    with pytest.raises(UserError, match=r"study sizes: one has no setting 'widht'.*'width'"):
        plan_of(catalogue)


def test_a_study_whose_figure_shows_no_variant_of_it_breaks_the_contract() -> None:
    wrong = replace(STUDY, figures=(StudyFigure("Widths", ("Wide",)),))
    assert flaw("studies", wrong) == (
        "'sizes' with the figure 'Widths' of 'Wide', which is no variant of it"
    )
    assert flaw("studies", STUDY) is None


def test_the_studies_of_the_catalogue_can_be_planned() -> None:
    catalogue = load_catalogue()
    assert catalogue.studies
    for name in catalogue.studies:
        for presets in (["paper"], ["quick"]):
            request = Request((), "skirmish", ["3v3"], presets=presets, study=name)
            assert len(make_plan(catalogue, request).specs) > 1
