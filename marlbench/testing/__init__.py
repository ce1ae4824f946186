"""What any plugin runs on itself: does it keep the promises of `marlbench.plugin`."""

from marlbench.testing.algorithm import check_algorithm
from marlbench.testing.finding import Finding, insist
from marlbench.testing.suite import check_suite

__all__ = ["Finding", "check_algorithm", "check_suite", "insist"]
