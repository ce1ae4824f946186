"""What a call makes a device do: operations that it launches, results that it waits for.

Counted instead of timed: the numbers are the same on a busy machine, and on a CPU they are nearly
those of a GPU, where each operation is a launch and each wait empties the queue of launches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Launches", "launches"]

NO_KERNEL = {
    "view", "expand", "t", "transpose", "permute", "slice", "select", "unsqueeze", "squeeze",
    "detach", "alias", "as_strided", "split", "split_with_sizes", "_unsafe_view", "unbind",
    "empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "_reshape_alias",
    "lift_fresh",
}  # fmt: skip
"""Operations that only say how memory is looked at, or take some."""
READS = {"item", "tolist", "cpu", "__bool__", "__int__", "__float__", "__index__", "__contains__",
         "__array__"}  # fmt: skip
"""Methods of a tensor that give its numbers to Python."""
WAITS = {
    "_local_scalar_dense", "nonzero", "nonzero_static", "masked_select", "_unique2", "unique_dim",
    "unique_consecutive", "unique_dim_consecutive", "equal", "is_nonzero", "repeat_interleave",
}  # fmt: skip
"""Operations whose result Python needs before it can go on: a number, or how large it is."""


@dataclass(frozen=True)
class Launches:
    """What was counted of a call."""

    operations: Counter[str]
    """Operations that launch a kernel, by name."""
    syncs: Counter[str]
    """Times that the call waited for a result, by what it waited in."""


def launches(act: Callable[[], object]) -> Launches:
    """Count what a call launches and waits for; of code on a CPU, what it would on a GPU."""
    found = Launches(Counter(), Counter())
    with ExitStack() as modes:
        reads = modes.enter_context(Reads(found))
        modes.enter_context(Operations(found, reads))
        act()
    return found


class Reads(TorchFunctionMode):
    """Counts the reads that Python asks for."""

    def __init__(self, found: Launches) -> None:
        super().__init__()
        self.found = found
        self.reading = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, and count it if it reads."""
        name = getattr(func, "__name__", "")
        outermost = name in READS and not self.reading
        if outermost:
            self.found.syncs[name] += 1
            self.reading = True
        try:
            return func(*args, **(kwargs or {}))
        finally:
            if outermost:
                self.reading = False


class Operations(TorchDispatchMode):
    """Counts operations, and waits that no method of a tensor stands for."""

    def __init__(self, found: Launches, reads: Reads) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = found
        self.reads = reads

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Launch an operation, counted."""
        name = func.overloadpacket.__name__
        if name not in NO_KERNEL:
            self.found.operations[name] += 1
        if not self.reads.reading and (name in WAITS or masks(name, args)):
            self.found.syncs[name] += 1
        return func(*args, **(kwargs or {}))


def masks(name: str, args: Any) -> bool:
    """Whether an operation takes entries by a mask: how many there are, the device alone knows."""
    return name in ("index", "index_put", "index_put_") and any(
        each is not None and each.dtype in (torch.bool, torch.uint8) for each in args[1]
    )
