"""Writes a report: every section of it, one below the other, on one Markdown page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from marlbench import store
from marlbench.errors import one_line
from marlbench.report.scores import cells
from marlbench.report.sections import Material, Part, ReportError, ReportPaths, Section


def write(results: Path, out: Path, sections: Sequence[Section] = ()) -> ReportPaths:
    """Report on all runs under `results` into the folder `out`; third parties' `sections` last.

    Raises `ReportError` where there is no run to report or nowhere to write.
    """
    material = Material(results, cells(store.runs(results)))
    if not material.cells:
        raise ReportError(f"no runs under {results}: start some with `marlbench run`")
    make_folder(out)
    parts = [(each.name, each.render(material, out)) for each in own_sections()]
    parts += [(each.name, contained(each, material, out)) for each in sections]
    page = out / "report.md"
    texts = [f"## {name}\n\n{part.markdown.strip()}\n" for name, part in parts]
    page.write_text("\n".join(["# marlbench report\n", *texts]), encoding="utf-8")
    return ReportPaths(page, tuple(path for _, part in parts for path in part.files))


def own_sections() -> tuple[Section, ...]:
    """The report's own sections; drawing libraries load only now."""
    from marlbench.report import curves, tables

    return (Section("Results", tables.render), Section("Training curves", curves.render))


def contained(section: Section, material: Material, out: Path) -> Part:
    """A third party's section, or its error as text: it must not cost the rest of the report."""
    try:
        return whole(section.render(material, out))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's is shown in its place
        return Part(f"This section failed: `{one_line(error)}`")


def whole(part: object) -> Part:
    """What a section gave, if the page can be made of it; else `TypeError`."""
    if not isinstance(part, Part):
        raise TypeError(f"it gave {part!r}, not a marlbench.report.Part")
    if not isinstance(part.markdown, str):
        raise TypeError(f"the markdown of its Part is {part.markdown!r}, not text")
    if not isinstance(part.files, tuple) or not all(isinstance(f, Path) for f in part.files):
        raise TypeError(f"the files of its Part are {part.files!r}, not a tuple of paths")
    return part


def make_folder(out: Path) -> None:
    """Make the folder `out`; `ReportError` where that is impossible."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(
            f"cannot write to {out} ({error.strerror}): choose another --out"
        ) from error
