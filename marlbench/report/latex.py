"""The table of results as LaTeX for a text width of 5.5 inches; needs the package booktabs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from marlbench.report.caveats import meanings
from marlbench.report.columns import Column, kinds
from marlbench.report.results_table import Entry, Table
from marlbench.report.scores import Cell

TEXT_WIDTH = 397.0
"""Points in 5.5 inches: what a page of most conferences has."""
GAP = 6.0
"""Points between columns: twice `\\tabcolsep`, which the tables set."""
SIZES = {"footnotesize": 8, "scriptsize": 7}
"""Sizes of letters, in points, the first in which all columns fit side by side."""
LONGEST_TASK, LONGEST_NAME = 96.0, 54.0
"""Points after which the name of a task or of a column goes on below."""
SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "—": "---",
    "\N{EN DASH}": "--",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "→": r"$\rightarrow$",
    "∞": r"$\infty$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "§": r"$^\S$",
} | {letter: f"\\{letter}" for letter in "&%$#_{}"}
LATIN_GREEK = {"omicron": "o", "ALPHA": "A", "BETA": "B", "EPSILON": "E", "ZETA": "Z", "ETA": "H"}
LATIN_GREEK |= {"IOTA": "I", "KAPPA": "K", "MU": "M", "NU": "N", "OMICRON": "O", "RHO": "P"}
LATIN_GREEK |= {"TAU": "T", "CHI": "X", "final sigma": r"\varsigma"}
"""Greek letters that LaTeX has no command of their name for."""


def latex(table: Table, cells: Sequence[Cell]) -> str:
    """A `table` with all columns in the largest letters that fit; else several."""
    tried = {size: list(_fitting(table, TEXT_WIDTH * 8 / high)) for size, high in SIZES.items()}
    size = min(tried, key=lambda each: len(tried[each]))
    groups = tried[size]
    said = " ".join([*table.legend, *(f"{sentence}." for sentence in meanings(cells))])
    captions = [said, *("Continued." for _ in groups[1:])]
    texts = [
        "\n".join(_table(table, group, size, caption))
        for group, caption in zip(groups, captions, strict=True)
    ]
    return "% Needs \\usepackage{booktabs}; 5.5 inches wide.\n" + "\n\n".join(texts) + "\n"


def _fitting(table: Table, width: float) -> Iterator[list[Column]]:
    """Columns in groups that fit into a width, in points of 8 point letters, beside the tasks."""
    room = width - _task_width(table) - GAP
    group: list[Column] = []
    left = room
    for column in table.columns:
        wide = _width(column, table) + GAP
        if group and wide > left:
            yield group
            group, left = [], room
        group.append(column)
        left -= wide
    yield group


def _task_width(table: Table) -> float:
    return min(LONGEST_TASK, max(points(row.task) + 8 for row in table.rows))


def _width(column: Column, table: Table) -> float:
    """Points of the widest thing in a column."""
    entries = [row.entries[column.label] for row in table.rows if column.label in row.entries]
    numbers = [points(each.number, each.best) for each in entries]
    seeds = [0.7 * points(each.seeds) for each in entries]
    return max([min(points(column.name) + 5, LONGEST_NAME), *numbers, *seeds])


def points(text: str, bold: bool = False) -> float:
    """Give about how wide a text of 8 point letters is, rather too wide than too narrow.

    >>> points("100.0 (12.3)") < 50, points("MAPPO") > points("mappo")
    (True, True)
    """
    return (1.16 if bold else 1.0) * sum(map(_letter, text))


def _letter(letter: str) -> float:
    if letter.isdigit():
        return 4.3
    if letter.isupper() or letter in "mw—≥≤@%&":
        return 6.9
    if letter.islower():
        return 4.6
    return 3.4 if letter in "().,:;-/ [']" else 5.0


def _table(table: Table, shown: Sequence[Column], size: str, caption: str) -> Iterator[str]:
    """The lines of one `table` environment."""
    yield r"\begin{table}"
    yield rf"\caption{{{escape(caption)}}}"
    yield rf"\centering\{size}\setlength{{\tabcolsep}}{{3pt}}"
    yield rf"\begin{{tabular}}{{@{{}}l{'r' * len(shown)}@{{}}}}"
    yield r"\toprule"
    yield from _kinds(shown)
    yield _line("Task", *(_boxed(c.name, LONGEST_NAME, "b", escape(c.mark)) for c in shown))
    for (suite, metric), rows in table.blocks():
        yield r"\midrule"
        heading = rf"\emph{{{escape(suite)}}}, {escape(metric)}"
        yield rf"\multicolumn{{{len(shown) + 1}}}{{@{{}}l}}{{{heading}}} \\"
        for row in rows:
            mark = r"$^\dagger$" if row.mixed else ""
            entries = (_entry(row.entries.get(column.label)) for column in shown)
            yield _line(_boxed(row.task, LONGEST_TASK, "t", mark), *entries)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def _kinds(shown: Sequence[Column]) -> Iterator[str]:
    """The line of kinds above the names, with a rule under each."""
    groups = kinds(shown)
    if not any(kind for kind, _ in groups):
        return
    yield _line("", *(rf"\multicolumn{{{count}}}{{c}}{{{kind}}}" for kind, count in groups))
    first = 2
    for kind, count in groups:
        if kind:
            yield rf"\cmidrule(lr){{{first}-{first + count - 1}}}"
        first += count


def _entry(entry: Entry | None) -> str:
    """One cell; its seeds stand below the number in small letters."""
    if entry is None:
        return ""
    number = escape(entry.number.replace("-", "\N{MINUS SIGN}"))
    number = rf"\textbf{{{number}}}" if entry.best else number
    if not entry.seeds:
        return number
    return rf"\shortstack[r]{{{number}\\{{\tiny {escape(entry.seeds)}}}}}"


def _boxed(name: str, longest: float, place: str, mark: str) -> str:
    """A name with a mark behind it, in lines of its own where it is long."""
    if points(name) + 5 <= longest:
        return escape(name) + mark
    side = r"\raggedright" if place == "t" else r"\raggedleft"
    return rf"\parbox[{place}]{{{longest:.0f}pt}}{{{side}\strut {_breakable(name)}{mark}\strut}}"


def _breakable(name: str) -> str:
    """A name that may be broken after its signs, and after ten letters without one."""
    text, since = "", 0
    for letter in name:
        text, since = text + escape(letter), since + 1
        if not letter.isalnum() or since == 10:
            text, since = text + r"\allowbreak{}", 0
    return text


def _line(*fields: str) -> str:
    """One line of a tabular."""
    return " & ".join(fields) + r" \\"


def escape(text: str) -> str:
    r"""Text as pdflatex prints it literally; letters that it has not by their number.

    >>> print(escape("3s_vs_5z & 50%"), escape("中"))
    3s\_vs\_5z \& 50\% [U+4E2D]
    """
    return "".join(map(_escaped, text))


def _escaped(letter: str) -> str:
    if letter in SPECIAL:
        return SPECIAL[letter]
    if letter == "\N{MINUS SIGN}":
        return "$-$"
    name = unicodedata.name(letter, "")
    for start, case in (("GREEK SMALL LETTER ", str.lower), ("GREEK CAPITAL LETTER ", str.upper)):
        if name.startswith(start):
            return _greek(case(name.removeprefix(start)), letter)
    printable = letter.isprintable() and (letter.isascii() or name.startswith("LATIN"))
    return letter if printable and ord(letter) < 0x180 else f"[U+{ord(letter):04X}]"


def _greek(said: str, letter: str) -> str:
    said = "lambda" if said == "lamda" else "LAMBDA" if said == "LAMDA" else said
    if " " in said and said not in LATIN_GREEK:  # with an accent
        return f"[U+{ord(letter):04X}]"
    command = said if said.islower() else said.capitalize()
    return f"${LATIN_GREEK.get(said, chr(92) + command)}$"
