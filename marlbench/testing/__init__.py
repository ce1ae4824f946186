"""What any plugin runs on itself: does it keep the promises of `marlbench.plugin`."""

from marlbench.testing.algorithm import check_algorithm
from marlbench.testing.suite import check_suite
from marlbench.testing.verdict import Verdict, insist

__all__ = ["Verdict", "check_algorithm", "check_suite", "insist"]
