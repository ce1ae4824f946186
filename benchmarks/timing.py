"""How the benchmarks of learners take a call's time and print it."""

import statistics
import time
from collections.abc import Callable

import torch

from marlbench.training.allocator import keep_freed_memory


def prepare() -> None:
    """Set this process up as a run's own is, with one thread."""
    torch.set_num_threads(1)
    keep_freed_memory()


def median_seconds(act: Callable[[], object], repeats: int, warm: int = 2) -> tuple[float, float]:
    """Median CPU and wall seconds of a call, after warm-up calls."""
    for _ in range(warm):
        act()
    cpu, wall = [], []
    for _ in range(repeats):
        begin = time.process_time(), time.perf_counter()
        act()
        cpu.append(time.process_time() - begin[0])
        wall.append(time.perf_counter() - begin[1])
    return statistics.median(cpu), statistics.median(wall)


def print_head(name: str) -> None:
    """Print the head of a learner's table."""
    print(f"{name:<32}{'cpu s':>12}{'wall s':>12}")


def print_row(name: str, seconds: tuple[float, float]) -> None:
    """Print a row of a learner's table."""
    print("{:<32}{:>12.6f}{:>12.6f}".format(name, *seconds))
