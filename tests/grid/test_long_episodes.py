"""A suite whose episodes are long has its own say of what a preset evaluates; others keep 32."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marlbench.commands.show import describe
from marlbench.config import Evaluation
from marlbench.grid.plan import Plan, Request, make_plan
from marlbench.host import Catalogue, load_catalogue
from marlbench.overrides import Override
from marlbench.plugin import Preset


def planned(catalogue: Catalogue, suite: str, *sets: Override, presets: str = "quick") -> Plan:
    request = Request(["mappo"], suite, presets=presets.split(","), overrides=sets)
    return make_plan(catalogue, request)


def evaluation(plan: Plan) -> Evaluation:
    (told,) = {spec.run.evaluation for spec in plan.specs}
    assert plan.run.evaluation == told
    return told


@pytest.mark.parametrize("suite", ["skirmish", "mpe", "smax"])
def test_suites_of_short_episodes_play_what_published_results_played(suite: str) -> None:
    told = evaluation(planned(load_catalogue(), suite))
    assert told == Evaluation(every=5_000, episodes=32, num_envs=32)
    assert told.final_episodes == 100


@pytest.mark.parametrize(
    ("suite", "length", "most"), [("meltingpot", 1_000, 2), ("lbf", 50, 1), ("vmas", 100, 1.5)]
)
def test_a_quick_run_evaluates_less_where_episodes_are_long(
    suite: str, length: int, most: float
) -> None:
    plan = planned(load_catalogue(), suite)
    told, steps = evaluation(plan), plan.run.steps
    points = len({*range(0, steps, told.every), steps})
    # greedily and sampled; vmas steps copies as one batch
    assert length * 2 * (points * told.episodes + told.final_episodes) <= most * steps
    origins = plan.specs[0].origins
    assert {origins[f"run.evaluation.{of}"] for of in ("every", "episodes")} == {"preset quick"}


def test_a_suites_word_follows_its_preset_and_goes_before_later_ones_and_the_users() -> None:
    catalogue = load_catalogue()
    catalogue.suites["lbf"] = replace(
        catalogue.suites["lbf"],
        presets={"quick": {"evaluation": {"episodes": 6, "num_envs": 3}}},
    )
    catalogue.presets["more"] = Preset("more", "", run={"evaluation": {"episodes": 9}})
    assert evaluation(planned(catalogue, "lbf")).episodes == 6
    assert evaluation(planned(catalogue, "lbf", presets="quick,more")).episodes == 9
    assert evaluation(planned(catalogue, "lbf", presets="more,quick")).episodes == 6
    by_hand = Override("run.evaluation.episodes", 12, "--set")
    assert evaluation(planned(catalogue, "lbf", by_hand)).episodes == 12
    assert evaluation(planned(catalogue, "mpe")).episodes == 32
    assert "run.evaluation.episodes = 6 on lbf" in list(describe(catalogue, "quick"))
