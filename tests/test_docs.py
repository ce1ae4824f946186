"""The documents name what exists: links, plugins, commands."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from marlbench.cli import app
from marlbench.host import load_catalogue

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for folder in ("", "docs/**", "results", "algorithms/*", "envs/*")
    for page in ROOT.glob(f"{folder}/*.md".lstrip("/"))
)


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    assert len(PAGES) > 15
    broken = [
        f"{page.relative_to(ROOT)}: {link}#{heading}"
        for page in PAGES
        for link, heading in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text("utf-8"))
        if not link.startswith("http") and not leads(page.parent / link if link else page, heading)
    ]
    assert broken == []


def leads(target: Path, heading: str) -> bool:
    """Whether a file or folder is there and, if one is asked for, a heading of its page."""
    page = target / "README.md" if target.is_dir() else target
    return target.exists() and (not heading or heading in anchors(page.read_text("utf-8")))


def anchors(page: str) -> set[str]:
    """What a page's headings are called in links: words in small letters, joined by hyphens."""
    headings = re.findall(r"^#+ +(.+)$", page, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_index_pages_name_every_plugin_of_the_catalogue_and_no_other() -> None:
    catalogue = load_catalogue()
    assert catalogue.broken == []
    for page, names in (("algorithms", catalogue.algorithms), ("suites", catalogue.suites)):
        rows = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / f"{page}.md").read_text(), re.M)
        assert set(rows) == set(names)


def test_the_readme_names_only_commands_options_and_plugins_that_exist() -> None:
    known = typer.main.get_command(app)
    commands = known.commands  # type: ignore[attr-defined]
    catalogue = load_catalogue()
    for line in re.findall(
        r"marlbench ((?:run|report|list|show|status|check|watch)\b[^\n`&#]*)", readme()
    ):
        name, *words = line.split()
        options = {option for each in commands[name].params for option in each.opts}
        assert {word for word in words if word.startswith("--")} <= options
        if "--algo" in words:
            asked = words[words.index("--algo") + 1].split(",")
            assert set(asked) <= set(catalogue.algorithms)
        if "--suite" in words:
            assert words[words.index("--suite") + 1] in catalogue.suites


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")
