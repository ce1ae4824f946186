"""How the metrics that a suite declares are read from its steps, by hand-computed episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from marlbench.plugin import EnvSpec, Metric, Step, episode_return, win_rate
from marlbench.vecenv.checks import SpecViolation, check_spec
from marlbench.vecenv.statistics import Episode, EpisodeStatistics
from marlbench.vecenv.synchronous import cut, stack

METRICS = (
    win_rate(),
    episode_return(),
    Metric("deliveries", info="delivered", reduce="sum"),
    Metric("crowd", info="near", reduce="mean"),
    Metric("depth", info="depth", reduce="max", higher_is_better=False, bounds=(0.0, -9.0)),
)
SPEC = EnvSpec(num_agents=2, obs_shape=(1,), num_actions=2, episode_limit=9, metrics=METRICS)


def step(at: int, last: bool = False, reward: float = 0.0, **info: Any) -> Step:
    """The step at a time of an episode, of one copy."""
    return Step(
        obs=np.zeros((2, 1), np.float32),
        avail=np.ones((2, 2), np.bool_),
        alive=np.ones(2, np.bool_),
        reward=np.full(2, reward, np.float32),
        first=at == 0,
        last=last,
        terminal=last,
        info=info,
    )


EPISODE = [
    step(0),
    step(1, reward=1.0, delivered=2, near=0.5, depth=-3.0),
    step(2, reward=0.5, delivered=0, near=1.0, depth=-5),
    step(3, reward=0.0, delivered=1, near=0.0, depth=-4.0, won=True, last=True),
]


def ends(statistics: EpisodeStatistics, *copies: list[Step]) -> list[Episode]:
    """Show the steps of copies in lockstep; give the episodes that ended."""
    shown = [statistics.add(stack(list(steps))) for steps in zip(*copies, strict=True)]
    return [episode for ended in shown for episode in ended]


def test_every_kind_of_metric_is_read_as_declared_also_in_a_second_episode() -> None:
    statistics = EpisodeStatistics(SPEC, 1)
    values = {"win": 1.0, "return": 1.5, "deliveries": 3.0, "crowd": 0.5, "depth": -3.0}
    for _ in range(2):  # nothing of the first episode is left in the second
        (episode,) = ends(statistics, EPISODE)
        assert episode.values == values
        assert episode.length == 3


def test_copies_do_not_mix() -> None:
    short = [step(0), step(1, delivered=7, near=1, depth=2, won=False, last=True), *EPISODE[:2]]
    first, second = ends(EpisodeStatistics(SPEC, 2), short, EPISODE)
    assert (first.copy, first.values["deliveries"], first.values["depth"]) == (0, 7.0, 2.0)
    assert (second.copy, second.values["deliveries"], second.values["win"]) == (1, 3.0, 1.0)


@pytest.mark.parametrize(
    ("at", "info", "said"),
    [
        (3, {"delivered": 1, "near": 1, "depth": 1}, "'win' is read from info['won']"),
        (3, {"delivered": 1, "near": 1, "depth": 1, "win": True}, "and the step has none"),
        (3, {"delivered": 1, "near": 1, "depth": 1, "won": float("nan")}, "says [nan]"),
        (2, {"near": 1, "depth": 1}, "'deliveries' is read from info['delivered']"),
        (1, {"delivered": 1, "near": float("inf"), "depth": 1}, "'crowd' is read from info"),
    ],
)
def test_what_a_step_has_to_say_and_does_not_is_refused(
    at: int, info: dict[str, Any], said: str
) -> None:
    wrong = step(at, last=at == 3, **info)
    with pytest.raises(SpecViolation) as refused:
        ends(EpisodeStatistics(SPEC, 1), [*EPISODE[:at], wrong])
    assert said in str(refused.value)


def test_a_copy_that_wins_does_not_hide_one_that_says_nothing() -> None:
    silent = [*EPISODE[:3], step(3, delivered=1, near=0, depth=0, last=True)]
    with pytest.raises(SpecViolation, match="the metric 'win'"):
        ends(EpisodeStatistics(SPEC, 2), EPISODE, silent)


def test_nothing_is_asked_of_the_step_that_stands_for_a_crash() -> None:
    (episode,) = ends(EpisodeStatistics(SPEC, 1), [*EPISODE[:2], cut(step(2))])
    assert (episode.crashed, episode.length) == (True, 1)


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ((), "metrics is empty"),
        ((win_rate(), win_rate()), "two metrics have one name"),
        ((episode_return(2.0, 1.0),), r"not \(worst, best\)"),
        ((Metric("cost", info="cost", higher_is_better=False, bounds=(0.0, 9.0)),), "not "),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(
    metrics: tuple[Metric, ...], said: str
) -> None:
    with pytest.raises(SpecViolation, match=said):
        check_spec(EnvSpec(2, (1,), 2, 9, metrics=metrics))
