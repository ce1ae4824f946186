"""Writes a report: one HTML page, and every section of it, one below the other, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from marlbench.errors import one_line
from marlbench.report.sections import Material, Part, ReportError, ReportPaths, Section
from marlbench.report.selection import Wanted, material


def write(
    results: Path | Sequence[Path],
    out: Path,
    sections: Sequence[Section] = (),
    wanted: Wanted | None = None,
    refresh: int = 0,
) -> ReportPaths:
    """Report on the runs under `results` that are `wanted`, into the folder `out`.

    Further `sections` come last. `refresh`: seconds after which the page loads itself anew; 0:
    never. Raises `ReportError` where there is no run to report or nowhere to write.
    """
    from marlbench.report import foresight
    from marlbench.report.verdict import excluded_sentences
    from marlbench.report.webpage import webpage

    folders = [results] if isinstance(results, Path) else list(results)
    read = material(folders, wanted or Wanted())
    make_folder(out)
    parts = [(each.name, each.render(read, out)) for each in own_sections()]
    further = [(each.name, contained(each, read, out)) for each in (foresight.section(), *sections)]
    parts += [(name, part) for name, part in further if part.markdown.strip()]
    page, markdown = out / "report.html", out / "report.md"
    texts = [f"## {name}\n\n{part.markdown.strip()}\n" for name, part in parts]
    aside = [f"{sentence}\n" for sentence in (*read.left_out, *excluded_sentences(read.excluded))]
    markdown.write_text("\n".join(["# marlbench report\n", *aside, *texts]), encoding="utf-8")
    own = len(own_sections())
    page.write_text(webpage(read, out, parts[own:], refresh), encoding="utf-8")
    return ReportPaths(page, markdown, tuple(path for _, part in parts for path in part.files))


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
    for name, said in (("markdown", part.markdown), ("page", part.page)):
        if not isinstance(said, str):
            raise TypeError(f"the {name} of its Part is {said!r}, not text")
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
