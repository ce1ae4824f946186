"""Plans: algorithms x tasks x seeds, in an order that gives every algorithm a result early."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marlbench.config import RunSpec
from marlbench.errors import UserError
from marlbench.grid.plan import Plan, Request, make_plan
from marlbench.host import Catalogue, load_catalogue
from marlbench.plugin import Algorithm, AlgorithmConfig, Preset


def unbuilt(*_: Any) -> Any:
    raise AssertionError("planning builds nothing")


class Lessons(AlgorithmConfig):
    """A setting that presets change."""

    learn: int = 0
    """How much [test]."""


@pytest.fixture
def catalogue() -> Catalogue:
    """Built-in presets and suites with two learners."""
    catalogue = load_catalogue()
    learners = [
        Algorithm(name, AlgorithmConfig, unbuilt, "decentralised") for name in ("one", "two")
    ]
    catalogue.algorithms = {each.name: each for each in learners}
    return catalogue


def plan_of(catalogue: Catalogue, **request: Any) -> Plan:
    return make_plan(catalogue, Request(**{"algorithms": ["one"], "suite": "skirmish", **request}))


def test_the_default_is_the_papers_experiment(catalogue: Catalogue) -> None:
    plan = plan_of(catalogue)
    assert plan.tasks == catalogue.suites["skirmish"].tasks
    assert plan.seeds == (0, 1, 2, 3, 4)
    assert plan.run.steps == 400_000
    assert len(plan.specs) == len(plan.tasks) * 5
    assert not plan.tasks_by_preset


def test_the_default_of_a_suite_with_more_tasks_than_the_paper_is_the_papers(
    catalogue: Catalogue,
) -> None:
    plan = plan_of(catalogue, suite="smacv2")
    assert plan.tasks == ("protoss_5_vs_5", "terran_5_vs_5", "zerg_5_vs_5")
    assert plan.tasks_by_preset
    everything = plan_of(catalogue, suite="smacv2", tasks=["all"])
    assert everything.tasks == catalogue.suites["smacv2"].tasks


def test_the_quick_preset_plays_the_default_task(catalogue: Catalogue) -> None:
    plan = plan_of(catalogue, presets=["quick"])
    assert plan.tasks == (catalogue.suites["skirmish"].default_task,)
    assert plan.tasks_by_preset
    assert (plan.run.steps, len(plan.seeds)) == (30_000, 3)
    evaluation = plan.run.evaluation
    assert (evaluation.every, evaluation.episodes, evaluation.num_envs) == (5_000, 32, 32)


def test_the_smoke_preset_is_tiny(catalogue: Catalogue) -> None:
    plan = plan_of(catalogue, presets=["smoke"])
    assert (plan.run.steps, plan.seeds, plan.run.checkpoint_every) == (600, (0, 1), 300)
    assert (plan.run.evaluation.every, plan.run.evaluation.episodes) == (300, 4)


def test_tasks_and_seeds_that_the_user_names_win(catalogue: Catalogue) -> None:
    plan = plan_of(catalogue, presets=["quick"], tasks=["2v2", "5v5", "2v2"], seeds=[7, 3, 7])
    assert (plan.tasks, plan.seeds) == (("2v2", "5v5"), (7, 3))
    assert not plan.tasks_by_preset


def test_all_means_every_task_whatever_the_preset(catalogue: Catalogue) -> None:
    plan = plan_of(catalogue, presets=["quick"], tasks=["all"])
    assert plan.tasks == catalogue.suites["skirmish"].tasks


def test_pictures_bring_their_preset_along_on_tasks_that_are_seen(catalogue: Catalogue) -> None:
    one = catalogue.algorithms["one"]
    lessons = {"quick": {"learn": 1}, "pictures": {"learn": 2}}
    catalogue.algorithms["seer"] = replace(one, name="seer", config=Lessons, presets=lessons)
    tasks = ["3v3", "gather44"]
    plan = plan_of(catalogue, algorithms=["one", "seer"], presets=["quick"], tasks=tasks, seeds=[0])
    assert plan.presets == ("quick",)
    said = [(each.task, each.label, each.presets) for each in plan.specs]
    both = ("quick", "pictures")
    assert said == [
        ("3v3", "one", ("quick",)),
        ("3v3", "seer-quick", ("quick",)),
        ("gather44", "one", both),
        ("gather44", "seer-quick-pictures", both),
    ]
    assert [each.algorithm_config.get("learn") for each in plan.specs] == [None, 1, None, 2]


def test_a_preset_brought_along_stands_right_behind_its_own_and_once(catalogue: Catalogue) -> None:
    later = Preset("later", "", algorithms={"seer": {"learn": 3}})
    catalogue.presets["later"] = later
    for names in (["quick", "later"], ["quick", "pictures", "later"]):
        (spec,) = plan_of(catalogue, presets=names, tasks=["gather44"], seeds=[0]).specs
        assert spec.presets == ("quick", "pictures", "later")
    (paper,) = plan_of(catalogue, presets=["paper"], tasks=["gather44"], seeds=[0]).specs
    assert paper.presets == ("paper",)


def test_first_seeds_come_first(catalogue: Catalogue) -> None:
    plan = plan_of(catalogue, algorithms=["one", "two"], tasks=["2v2", "3v3"], seeds=range(2))
    order = [(spec.seed, spec.task, spec.algorithm) for spec in plan.specs]
    tasks, names = ("2v2", "3v3"), ("one", "two")
    assert order == [(seed, task, name) for seed in (0, 1) for task in tasks for name in names]


def test_a_document_survives_being_written(catalogue: Catalogue) -> None:
    spec = plan_of(catalogue).specs[0]
    assert RunSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"algorithms": ["onee"]}, "did you mean 'one'?"),
        ({"suite": "skirmsh"}, "did you mean 'skirmish'?"),
        ({"tasks": ["3v4"]}, "the suite 'skirmish' has no task '3v4'"),
        ({"presets": ["quik"]}, "did you mean 'quick'?"),
        ({"seeds": []}, "no run without a seed"),
        ({"seeds": [-1]}, "no run without a seed"),
    ],
)
def test_a_wrong_name_is_told(catalogue: Catalogue, request_: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        plan_of(catalogue, **request_)
    assert said in str(error.value)


def test_who_cannot_act_as_a_task_wants_is_refused_before_anything_starts(
    catalogue: Catalogue,
) -> None:
    drawing = replace(catalogue.algorithms["two"], actions=("discrete", "box"))
    catalogue.algorithms["two"] = drawing
    boxes = replace(catalogue.suites["skirmish"], actions=lambda task, config: "box")
    catalogue.suites["skirmish"] = boxes
    with pytest.raises(UserError) as refused:
        plan_of(catalogue, algorithms=["two", "one"], tasks=["3v3"])
    assert str(refused.value) == (
        "one needs discrete actions, and skirmish/3v3 has box actions: leave one out, or take "
        "another task"
    )
    assert len(plan_of(catalogue, algorithms=["two"], tasks=["3v3"], seeds=[0]).specs) == 1
    drawing = replace(drawing, actions=("box",))
    catalogue.algorithms["two"] = drawing
    catalogue.suites["skirmish"] = replace(boxes, actions=lambda task, config: "discrete")
    with pytest.raises(UserError, match="two needs box actions, and skirmish/3v3 has discrete"):
        plan_of(catalogue, algorithms=["two"], tasks=["3v3"])
