"""Memory that is freed stays with the process, for the next update to use.

glibc gives large blocks back to the system and takes them anew for the next update's tensors, page
by page. That costs up to a tenth of an update's time (docs/benchmarks).
"""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory"]

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of the two settings in glibc's malloc.h."""
NEVER = 2**31 - 1
LARGEST = 32 * 2**20
"""The highest threshold that glibc takes: blocks from 32 MiB on may still come and go."""


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory while this process lives; give whether there is a glibc.

    The most that was ever in use at a time stays taken; it does not grow by this.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another system's allocator
        return False
    settings = {MMAP_THRESHOLD: LARGEST, TRIM_THRESHOLD: NEVER}
    return all(mallopt(name, value) == 1 for name, value in settings.items())
