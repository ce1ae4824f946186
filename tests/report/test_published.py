"""The files of published numbers: whole, and what was read from the sources stands in them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from marlbench.report.published import FOLDER, GROUPS, Source, published, sources

EVERY = sources()
ENTRY: dict[str, Any] = {
    "name": "Somebody",
    "group": "published",
    "source": "arXiv",
    "read": "from text",
    "statistic": "mean",
    "spread": "sd",
    "seeds": 4,
    "steps": 4000,
    "algorithms": {"QMIX": "qmix", "X": ""},
    "tasks": [
        {
            "published": "three marines",
            "ours": "skirmish/3m",
            "metric": "win",
            "comparable": True,
            "scores": {"QMIX": [50.0, 10.0], "X": [60.0]},
        }
    ],
}


def test_every_file_is_a_source_with_a_name_of_its_own() -> None:
    assert len(EVERY) == len(list(FOLDER.iterdir())) >= 10
    assert len({source.name for source in EVERY}) == len(EVERY)
    assert {source.group for source in EVERY} == set(GROUPS)
    assert sum(len(sources(group)) for group in GROUPS) == len(EVERY)


def test_algorithms_and_suites_are_those_of_the_catalogue() -> None:
    from marlbench.host import load_catalogue

    catalogue = load_catalogue()
    assert not catalogue.broken
    for source in EVERY:
        assert set(source.algorithms.values()) - {""} <= catalogue.algorithms.keys()
        for task in source.tasks:
            suite, name = task.ours.split("/", 1)
            entry = catalogue.suites[suite]
            assert entry.open_tasks or name in entry.tasks, task.ours


def test_wins_are_in_percent_and_spreads_positive() -> None:
    for source in EVERY:
        for number in published(source):
            if number.task.metric == "win":
                assert 0 <= number.score <= 100
            assert (number.spread or 0) >= 0
            assert (number.spread is None) == (source.spread == "none"), source.name


def test_the_papers_table_is_whole() -> None:
    (paper,) = sources("paper")
    numbers = list(published(paper))
    assert len(numbers) == 10 * 6
    assert {(n.steps, n.source.seeds) for n in numbers} == {(400_000, 5)}
    texts = {(n.task.ours, n.ours): n.text() for n in numbers}
    # spelt out once more from the paper's text
    assert texts["smac/corridor", "dmawm"] == "45.2 (39.2)"
    assert texts["smac/corridor", "mbvd"] == "0.0 (0.0)"
    assert texts["smacv2/terran_5_vs_5", "mamba"] == "50.9 (5.3)"
    assert texts["meltingpot/coop_mining", "dmawm"] == "244.20 (150.60)"


def test_a_number_says_its_spread_and_a_task_its_own_steps() -> None:
    (spread,) = (source for source in EVERY if source.name == "EPyMARL, simple_spread")
    found = {number.algorithm: (number.text(), number.steps) for number in published(spread)}
    assert found["QMIX"] == ("-126.62 (± 2.96)", 2_000_000)
    assert found["MAPPO"] == ("-133.54 (± 3.08)", 20_000_000)


def test_what_does_not_compare_says_why() -> None:
    assert all(task.comparable or task.why for source in EVERY for task in source.tasks)
    (task,) = ENTRY["tasks"]
    with pytest.raises(ValidationError, match="three marines does not compare, but not why"):
        Source.model_validate(ENTRY | {"tasks": [task | {"comparable": False}]})


def test_an_algorithm_without_its_name_here_is_refused() -> None:
    with pytest.raises(ValidationError, match="algorithms are"):
        Source.model_validate(ENTRY | {"algorithms": {"QMIX": "qmix"}})


@pytest.mark.parametrize("key", ["name", "read", "statistic", "spread", "steps"])
def test_a_source_says_what_its_numbers_are(key: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(key)):
        Source.model_validate({each: ENTRY[each] for each in ENTRY if each != key})


def test_the_documented_example_is_a_source() -> None:
    page = (Path(__file__).parents[2] / "docs" / "published-numbers.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.S)
    (first, _) = published(Source.model_validate(tomllib.loads(example)))
    assert (first.ours, first.text(), first.steps) == ("qmix", "97.0 (2.1)", 2_000_000)


def test_starcraft_is_never_compared_by_its_shaped_return() -> None:
    tasks = [task for source in EVERY for task in source.tasks if task.ours.startswith("smac")]
    assert {task.metric for task in tasks} == {"win"}
