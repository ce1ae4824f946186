"""The memory of the GPU that a run computes on: what was free before it, the most that it took."""

from __future__ import annotations

from collections.abc import Callable

from marlbench.process_memory import GIB

__all__ = ["device_memory", "is_full"]

CONTEXT = 0.5 * GIB
"""Bytes that a process takes of a GPU besides its tensors: assumed, no allocator counts them."""
FULL = ("CUDA out of memory", "CUDA error: out of memory", "STATUS_ALLOC_FAILED")
"""What torch, CUDA, cuBLAS and cuDNN say where a GPU has no room."""


def device_memory(device: str) -> Callable[[], dict[str, float]]:
    """Look at a device (`cpu` or `cuda`) before a run takes any; give what tells it later.

    It gives `gpu_free_gib`, free before, and `gpu_peak_gib`, the most that this process has taken;
    on a CPU nothing.
    """
    if device == "cpu":
        return dict
    import torch

    free, _ = torch.cuda.mem_get_info()  # our context is there by now
    before = round((free + CONTEXT) / GIB, 3)

    def told() -> dict[str, float]:
        peak = torch.cuda.max_memory_reserved() + CONTEXT
        return {"gpu_free_gib": before, "gpu_peak_gib": round(peak / GIB, 3)}

    return told


def is_full(error: BaseException) -> bool:
    """Say whether an error is that of a GPU without room."""
    return any(words in str(error) for words in FULL)
