"""The page: self-contained, whole without scripts, and every figure has its table."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

from marlbench.overrides import parse_set
from marlbench.report import Section, Wanted, write
from marlbench.report.sections import Part

Record = Callable[..., Path]

VOID = {"meta", "link", "br", "img", "path", "circle", "rect", "polyline", "polygon"}
LOADING = {"src", "srcset", "data", "poster", "action", "background", "xlink:href"}
LAZY = {"th", "td", "tr", "li", "dt", "dd"}
"""Their end tags may be left out."""


class Reader(HTMLParser):
    """What is on a page: elements with their attributes, texts, and what is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID | LAZY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Expect the element that was opened last."""
        if tag not in LAZY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(results: Path, **also: Any) -> tuple[str, Reader]:
    text = write(results, results / "report", **also).page.read_text()
    return text, Reader(text)


def usual(record: Record) -> None:
    """Two labels on two tasks, one of them with wins."""
    for seed in range(3):
        record("qmix", seed, [0.1, 0.2 + seed / 50], metric="win")
        record("mappo", seed, [0.1, 0.8 + seed / 50], metric="win")
        record("qmix", seed, [1.0, 2.0 + seed], task="mpe/spread")


def test_the_page_is_whole_and_asks_no_network(results: Path, record: Record) -> None:
    usual(record)
    text, page = page_of(results)
    assert page.open == []
    for tag, attributes in page.elements:
        assert not LOADING & attributes.keys(), tag
        assert tag not in ("iframe", "object", "embed", "base"), tag
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(|http", text)
    assert page.all("title")
    assert [tag["lang"] for tag in page.all("html")] == ["en"]


def test_every_figure_has_a_table_and_says_what_it_shows(results: Path, record: Record) -> None:
    usual(record)
    text, page = page_of(results)
    figures = re.findall(r"<figure.*?</figure>", text, re.S)
    assert len(figures) == len(page.all("figure")) >= 4
    for figure in figures:
        assert figure.count("<svg") == figure.count('<table class="twin">') > 0
        assert "<figcaption>" in figure
    named = {attributes.get("id") for _, attributes in page.elements}
    for svg in page.all("svg"):
        assert svg["role"] == "img"
        assert set(str(svg["aria-labelledby"]).split()) <= named
    (curve,) = [each for each in figures if 'id="curves-steps-0"' in each]
    assert "<td>82.0 [77.0, 87.0] n=3" in curve  # 4.3027 * 2 / sqrt(3) = 4.97


def test_one_group_a_label_has_its_numbers(results: Path, record: Record) -> None:
    usual(record)
    _, page = page_of(results)
    groups = [group for group in page.all("g") if group.get("data-points")]
    wins = [g for g in groups if g["data-label"] == "mappo"]
    assert wins[0]["data-points"] == "0,10,10,10,3;1000,82,77.032,86.968,3"
    assert wins[0]["data-name"] == "mappo"


def test_the_verdict_is_one_sentence_by_test(results: Path, record: Record) -> None:
    usual(record)
    text, _ = page_of(results)
    (said,) = re.findall(r'<p class="verdict">(.*?)</p>', text)
    assert said == (
        "2 labels on 2 tasks, 9 of 9 runs finished: mappo is best alone on 1 of 2 by Welch&#x27;s "
        "test."
    )


def test_two_seeds_have_no_best_and_the_verdict_says_why(results: Path, record: Record) -> None:
    for seed in range(2):
        record("qmix", seed, [0.0, 1.0])
        record("mat", seed, [0.0, 9.0])
    text, _ = page_of(results)
    assert "no label is called best, because the highest mean has fewer than 3 finished" in text
    assert 'class="alarm"' not in text


def test_what_stands_against_the_numbers_is_in_the_red_banner(
    results: Path, record: Record
) -> None:
    record("qmix", 0, [1.0, 2.0], versions={"torch": "2.13.0"}, git={"commit": "a" * 40})
    dirty = {"commit": "b" * 40, "dirty": True}
    record("qmix", 1, [1.0, 2.0], versions={"torch": "2.9.1"}, git=dirty)
    record("qmix", 2, [1.0], ended="failed")
    record("qmix", 3, [1.0, 2.0, 3.0])
    text, _ = page_of(results)
    (banner,) = re.findall(r'<div class="alarm".*?</div>', text, re.S)
    for said in (
        "Not counted: 1 failed.",
        "† skirmish/3m: run.steps is 1000 (qmix seeds 0-1), 10000 (qmix seed 2), 2000",
        "seed 2 failed at 0 of 10000 env steps (the loss is not finite).",
        "version.torch is 2.13.0 (qmix seed 0), 2.9.1 (qmix seed 1).",
        "commit is aaaaaaaaaa (qmix seed 0), bbbbbbbbbb (qmix seed 1).",
        "seed 1 ran from a tree with changes that no commit has.",
    ):
        assert said in banner, said


def test_odd_names_and_sections_are_literal_on_the_page(results: Path, record: Record) -> None:
    odd = "</script><b>&\"'|"
    record(odd, 0, [1.0, 2.0])
    section = Section("More <i>", lambda *_: Part(f"- {odd}\n\n| a | b |\n|---|---|\n| `c<` | d |"))
    text, page = page_of(results, sections=[section])
    assert page.open == []
    assert len(page.all("script")) == 1
    assert "<li>&lt;/script&gt;&lt;b&gt;" in text
    assert "<tr><th scope=row><code>c&lt;</code><td>d" in text


def test_runs_are_listed_with_the_command_that_makes_them_again(
    results: Path, record: Record
) -> None:
    folder = record("qmix-gamma=0.9", 3, [1.0, 2.0], algorithm="qmix", config={"gamma": 0.9})
    spec = json.loads((folder / "spec.json").read_text())
    spec |= {"origins": {"algorithm.gamma": "--set", "run.steps": "--steps"}, "presets": ["quick"]}
    (folder / "spec.json").write_text(json.dumps(spec | {"algorithm_changes": {"gamma": 0.9}}))
    (folder / "film.gif").write_bytes(b"")
    text, page = page_of(results)
    assert (
        "marlbench run --algo qmix --suite skirmish --task 3m --preset quick --seed 3 "
        "--set qmix.gamma=0.9 --set run.steps=1000"
    ) in text
    assert "--label" not in text  # it is spelt
    (link,) = [each["href"] for each in page.all("a") if "film" in str(each["href"])]
    assert (results / "report" / str(link).replace("%3D", "=")).exists()


def test_the_command_has_the_label_that_the_user_chose_and_values_as_they_are_read(
    results: Path, record: Record
) -> None:
    changes = {"double": True, "layers": [64, 32], "target": None, "mixer": "5"}
    folder = record("qmix-wide", 0, [1.0, 2.0], algorithm="qmix", config=changes, changes=changes)
    spec = json.loads((folder / "spec.json").read_text())
    spec["origins"] = {f"algorithm.{key}": "--set" for key in changes}
    (folder / "spec.json").write_text(json.dumps(spec | {"presets": ["quick"]}))
    text, _ = page_of(results)
    (said,) = re.findall("Again: <code>(.*?)</code>", text)
    words = shlex.split(html.unescape(said))
    assert words[-2:] == ["--label", "wide"]
    told = [parse_set(word) for before, word in pairwise(words) if before == "--set"]
    assert {each.key.removeprefix("qmix."): each.value for each in told} == changes


def test_a_run_that_diverged_did_so_where_it_says(results: Path, record: Record) -> None:
    folder = record("qmix", 0, [1.0], ended="diverged")
    facts = {"env_steps": 108, "number": "loss is nan"}
    reason = "diverged at 108 env steps: loss is nan"
    failure = {"reason": reason, "traceback": "", "diverged": facts}
    (folder / "FAILED").write_text(json.dumps(failure))
    record("qmix", 1, [1.0, 2.0])
    text, _ = page_of(results)
    assert "seed 0 diverged at 108 of 10000 env steps (loss is nan)." in text


def test_names_that_are_cut_stay_apart(results: Path, record: Record) -> None:
    record("mappo", 0, [1.0, 2.0])
    record("mappo-far", 0, [1.0, 2.0, 3.0], algorithm="mappo")
    names = {"mappo": "MAPPO (as published, 600 steps)", "mappo-far": "MAPPO (for long, 600 steps)"}
    text, _ = page_of(results, wanted=Wanted(names=names))
    written = re.findall(r'class="name"[^>]*>(?:<title>[^<]*</title>)?([^<]*)</text>', text)
    cut = {each for each in written if "…" in each}
    assert {"(as pub… steps)", "(for lo… steps)"} <= cut  # both are of MAPPO
    assert not any("MAPPO" in each for each in written)


def test_columns_of_words_begin_at_the_left(results: Path, record: Record) -> None:
    usual(record)
    text, _ = page_of(results)
    found = re.findall(r'comparisons">.*?<tr>(.*?)</thead><tbody><tr>(.*?)</?t[rb]', text)
    ((head, row),) = found
    words = [" class=words" in cell for cell in re.split("<th", head)[1:]]
    assert words[:6] == [True, True, False, False, False, True]  # task, difference; the verdict
    assert [" class=words" in cell for cell in re.split("<td", row)[1:]] == words[1:]


def test_a_report_of_what_was_asked_says_what_it_left_out(results: Path, record: Record) -> None:
    usual(record)
    record("mat", 0, [0.5, 0.6], metric="win", ended="no")
    wanted = Wanted(tasks=("3m",), labels=("qmix", "mat"), include_unfinished=True)
    text, _ = page_of(results, wanted=wanted)
    assert "As asked by --task 3m --label qmix,mat: 4 of 10 runs, 6 left out." in text
    assert "1 unfinished run counts, as asked, by the last evaluation that is there." in text
    assert "mappo" not in text
    assert "mpe" not in text


def test_another_metric_and_names_can_be_asked_for(results: Path, record: Record) -> None:
    usual(record)
    wanted = Wanted(metric="return", names={"qmix": "Ours"})
    paths = write(results, results / "report", wanted=wanted)
    text = paths.markdown.read_text()
    assert "| **mappo** | **Ours** |" in text
    assert "| skirmish, return | 3m | **8.20 (0.20)** | 2.20 (0.20) |" in text


def test_a_task_of_which_every_run_broke_is_drawn_by_its_seeds(
    results: Path, record: Record
) -> None:
    record("qmix", 0, [0.0, 1.0], ended="failed")
    page = write(results, results / "report").page.read_text()
    assert 'class="seed broke"' in page
    assert 'id="curves-clock-0"' not in page
