"""Freed memory stays with the process, so that the next training step finds it warm.

A step frees a few dozen temporaries of a megabyte or so and asks for the same sizes a moment
later. By default glibc hands blocks of that size back to the kernel, which then has to map and
zero every page again: up to half of a step. Elsewhere than glibc nothing is done.

Source: glibc manual, "Malloc Tunable Parameters".
"""

from __future__ import annotations

import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_NEVER = 2**31 - 1
_LARGEST = 32 << 20
"""Bytes; glibc accepts no larger threshold, and larger blocks are rare."""


@cache
def keep_freed_memory() -> None:
    """Ask the allocator, once a process, to keep what is freed."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST)
    mallopt(_TRIM_THRESHOLD, _NEVER)
