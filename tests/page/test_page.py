"""The report's page in a real Chromium: it renders, switches, logs no error, asks no network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Page, browser

from marlbench.report import write

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
PUBLISHED = Path(__file__).parents[2] / "docs" / "results" / "skirmish-3v3"
SHOWN = "document.querySelectorAll('{}:not(.gone)').length"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of published results: six labels, three seeds each."""
    return write(PUBLISHED, tmp_path_factory.mktemp("report")).page


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A tab, which has to end without an error and without a request but for files."""
    with browser(tmp_path / "profile") as tab:
        yield tab
        assert tab.errors == []
        assert all(address.startswith("file:") for address in tab.requests)
        assert len(set(tab.requests)) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_renders_and_nothing_is_wider_than_the_window(
    page: Page, file: Path, width: int, scheme: str
) -> None:
    page.open(file, width, scheme)
    assert page.run("document.documentElement.scrollWidth") == width
    assert page.run(SHOWN.format("svg.curves g.label")) == 6 * 4  # two axes, two metrics
    ink = page.run("getComputedStyle(document.body).color")
    assert ink == {"light": "rgb(26, 26, 26)", "dark": "rgb(232, 232, 234)"}[scheme]
    wide = page.run(
        "[...document.querySelectorAll('svg')].every(s => s.clientWidth > 250 || !s.clientWidth)"
    )
    assert wide


def test_what_tests_say_is_seen_without_scrolling(page: Page, file: Path) -> None:
    page.open(file)
    said = "document.querySelector('table.comparisons').parentElement"
    assert page.run(f"{said}.innerText").count("no test: runs do not say") == 5
    assert page.run(f"{said}.scrollWidth - {said}.clientWidth") == 0


def test_without_scripts_everything_is_there(page: Page, file: Path) -> None:
    page.send("Emulation.setScriptExecutionDisabled", value=True)
    page.open(file)
    assert page.run("document.querySelector('.tools')") is None
    assert page.run("document.querySelectorAll('.gone').length") == 0
    assert page.run("[...document.querySelectorAll('figure')].every(f => f.clientHeight > 100)")


def test_a_label_is_isolated_and_comes_back(page: Page, file: Path) -> None:
    page.open(file)
    button = "document.querySelectorAll('.tools button.label')[{}]"
    page.run(f"{button.format(1)}.click()")
    assert page.run(SHOWN.format("svg.curves g.label")) == 4
    assert page.run(SHOWN.format(".results td[data-label]")) == 1
    event = "new MouseEvent('click', {shiftKey: true})"
    page.run(f"{button.format(2)}.dispatchEvent({event})")
    assert page.run(SHOWN.format("svg.curves g.label")) == 8
    page.run(f"{button.format(1)}.click(); {button.format(1)}.click()")
    assert page.run(SHOWN.format("svg.curves g.label")) == 24


def test_spread_axis_and_metric_are_switched(page: Page, file: Path) -> None:
    page.open(file)
    figures = SHOWN.format("figure[data-across]")
    assert page.run(figures) == 1
    box = (
        "Object.assign(document.querySelector('.tools select[title={}]'), "
        "{{value: '{}'}}).onchange()"
    )
    page.run(box.format("Spread", "sd"))
    assert page.run(SHOWN.format(".interval")) == page.run(SHOWN.format(".seed")) == 0
    assert page.run(SHOWN.format(".sd")) > 0
    page.run(box.format("Axis", "clock"))
    page.run(box.format("Metric", "return"))
    assert page.run(figures) == 1
    assert (
        page.run("document.querySelector('figure[data-across]:not(.gone)').id") == "curves-clock-1"
    )


def test_the_pointer_tells_mean_interval_and_seeds(page: Page, file: Path) -> None:
    page.open(file)
    page.run("document.querySelector('svg.curves').scrollIntoView()")
    place = page.run(
        "(r => [r.left + r.width * .36, r.top + r.height / 2])"
        "(document.querySelector('svg.curves').getBoundingClientRect())"
    )
    page.point(*place)
    said = page.run("document.querySelector('#hover').innerText")
    assert said.startswith("at 10,000")
    assert "DMAWM 100.0 [96.9, 100.0] n=3" in said  # the bound that 96 episodes give
    assert said.count("n=3") == 6
    page.point(1, 1)
    assert page.run("document.querySelector('#hover')") is None


def test_tables_are_sorted_and_copied(page: Page, file: Path) -> None:
    page.open(file)
    page.run("document.querySelector('table.results thead tr:last-child th button').click()")
    assert (
        page.run("document.querySelector('th[aria-sort]').getAttribute('aria-sort')")
        == "descending"
    )
    page.send(
        "Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"]
    )
    page.send("Page.bringToFront")
    for place, name in enumerate(("table.tex", "table.csv")):
        page.run(f"document.querySelectorAll('button.copy')[{place}].onclick()")
        copied = page.run("navigator.clipboard.readText()")
        assert copied.splitlines() == (file.parent / name).read_text().splitlines()


def test_it_is_printed_on_few_pages_without_tools(page: Page, file: Path, tmp_path: Path) -> None:
    page.open(file, media="print")
    assert page.run("getComputedStyle(document.querySelector('.tools')).display") == "none"
    page.printed(tmp_path / "page.pdf")
    content = (tmp_path / "page.pdf").read_bytes()
    assert 0 < content.count(b"/Type /Page\n") <= 6
