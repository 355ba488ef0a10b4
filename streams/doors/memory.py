"""How much of the machine's memory a door takes: a share, and only while it needs it."""

from __future__ import annotations

import ctypes
import os

M_MMAP_THRESHOLD = -3
"""mallopt(3): from so many bytes on, a buffer is a mapping of its own, and goes back when it is freed."""
OWN_MAPPING_BYTES = 1_000_000


def give_back_at_once() -> bool:
    """Hold glibc to it, for this whole process; False where its C library knows no such thing.

    Left alone, it raises the bound up to 32 MB as large buffers are freed, and keeps what is freed below it, in a heap
    per thread: a door that may hold 100 MB was seen to keep 344.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES))
    except (AttributeError, OSError):
        return False


def share(most: int) -> int:
    """`most` bytes, but no more than a quarter of the memory that this machine has: a door takes twice its share."""
    return min(most, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
