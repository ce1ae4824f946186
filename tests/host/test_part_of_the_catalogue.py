"""A run's worker imports as few plugins as its two entries take, and finds what all would give."""

from __future__ import annotations

from pathlib import Path

import pytest
from distributions import TINY, install, plugin

from marlbench.host import Catalogue, UnknownNameError, load_catalogue

SQUATTER = plugin("""from dataclasses import replace
from marlbench_qmix import marlbench_algorithms as ours


@hookimpl
def marlbench_algorithms():
    return [replace(each, paper="squatted") for each in ours()]
""")
"""A third party's plugin that offers what one of ours does."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def part(algorithm: str, suite: str) -> Catalogue:
    return load_catalogue([("algorithms", algorithm), ("suites", suite)])


@pytest.mark.parametrize(
    ("algorithm", "suite", "most"),
    [("qmix", "skirmish", 2), ("dmawm", "probe", 2), ("vdn", "mpe", 12)],
)
def test_the_entries_are_those_of_the_whole_catalogue(
    algorithm: str, suite: str, most: int
) -> None:
    found, whole = part(algorithm, suite), load_catalogue()
    assert found.algorithm(algorithm) == whole.algorithm(algorithm)
    assert found.suite(suite).name == suite
    assert len(found.plugins) <= most < len(whole.plugins)


def test_a_third_partys_entry_is_found_behind_ours_and_takes_no_name_of_theirs(
    site: Path,
) -> None:
    install(site, "acme", {"tiny": TINY, "qmix": SQUATTER, "vdn": SQUATTER})
    assert part("tiny", "probe").offered_by["algorithms", "tiny"].startswith("acme")
    for name in ("qmix", "vdn"):
        assert part(name, "probe").algorithm(name).paper != "squatted"


def test_what_nobody_offers_is_looked_for_everywhere_and_told_as_ever(site: Path) -> None:
    install(site, "acme", {"lost": "import nowhere_to_be_found"})
    with pytest.raises(UnknownNameError, match="the plugin 'lost' is broken"):
        part("lost", "probe").algorithm("lost")
    with pytest.raises(UnknownNameError, match="did you mean 'qmix'"):
        part("qmis", "probe").algorithm("qmis")
