"""The table of results as LaTeX, to be put into a paper; needs the package booktabs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from marlbench.report.caveats import by_task, meanings, mixed
from marlbench.report.scores import AVERAGED, DDOF, Cell, labels_of

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {letter: f"\\{letter}" for letter in "&%$#_{}"}


def latex(cells: Sequence[Cell], width: int) -> str:
    """A `table` per `width` labels, rows suite/task, cells mean (std)."""
    labels = labels_of(cells)
    groups = [labels[start : start + width] for start in range(0, len(labels), width)]
    tables = ("\n".join(table(cells, group)) for group in groups)
    return "% Needs \\usepackage{booktabs}.\n" + "\n\n".join(tables) + "\n"


def table(cells: Sequence[Cell], labels: Sequence[str]) -> Iterator[str]:
    """The lines of one `table` environment."""
    executions = {cell.label: cell.execution for cell in cells if cell.execution}
    yield r"\begin{table}"
    yield r"\centering"
    yield rf"\caption{{{caption(cells)}}}"
    yield rf"\begin{{tabular}}{{ll{'r' * len(labels)}}}"
    yield r"\toprule"
    yield row("Task", "Metric", *map(escape, labels))
    yield row("", "", *(rf"{{\footnotesize {executions.get(label, '')}}}" for label in labels))
    yield r"\midrule"
    for (suite, task), there in by_task(cells):
        texts = {cell.label: cell_text(cell) for cell in there}
        mark = r"$^\dagger$" if mixed(there) else ""
        unit = escape(there[0].metric.heading)
        yield row(escape(f"{suite}/{task}") + mark, unit, *(texts.get(x, "") for x in labels))
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def caption(cells: Sequence[Cell]) -> str:
    """How the numbers came about, in the words that a reader of the paper needs."""
    said = (
        f"Mean (standard deviation, divisor $n-{DDOF}$) over seeds of the mean of the last "
        f"{AVERAGED} evaluations; $k/n$: only $k$ of $n$ seeds are finished."
    )
    said += "".join(f" {escape(sentence)}." for sentence in meanings(cells))
    mark = r" $^\dagger$: settings differ within the row; the numbers do not compare."
    return said + (mark if any(mixed(row) for _, row in by_task(cells)) else "")


def cell_text(cell: Cell) -> str:
    """Mean (std), and the seeds where some are not finished."""
    digits = cell.metric.digits
    mean, std = ("---" if x is None else f"${x:z.{digits}f}$" for x in cell.summary())
    seeds = f" {len(cell.counted)}/{len(cell.runs)}" if len(cell.counted) < len(cell.runs) else ""
    return f"{mean} ({std}){seeds}" if cell.counted else f"---{seeds}"


def row(*fields: str) -> str:
    """One line of a tabular."""
    return " & ".join(fields) + r" \\"


def escape(text: str) -> str:
    r"""Text as LaTeX prints it literally.

    >>> print(escape("3s_vs_5z & 50%"))
    3s\_vs\_5z \& 50\%
    """
    return "".join(SPECIAL.get(letter, letter) for letter in text)
