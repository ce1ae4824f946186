"""Files in, pages out: the tables and figures of any results folder, also one from elsewhere."""

from marlbench.report.against import against
from marlbench.report.exports import exported
from marlbench.report.page import write
from marlbench.report.sections import Material, Part, ReportError, ReportPaths, Section
from marlbench.report.selection import Wanted
from marlbench.report.study_figures import studied

__all__ = [
    "Material",
    "Part",
    "ReportError",
    "ReportPaths",
    "Section",
    "Wanted",
    "against",
    "exported",
    "studied",
    "write",
]
