"""Memory that is free goes back to the system.

The C library keeps what was freed between what is still in use: with threads that come and go, a
little more each hour. What the system sees would grow for days, though no more is in use.
Only the GNU C library has what is called here; with another one nothing happens.
"""

import ctypes
import threading

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""The parameters' numbers in mallopt(3)."""

LARGE = 1 << 20
"""Bytes of a block that is a mapping of its own. Not what passes the doors, some ten thousand bytes
at once: to make a mapping and undo it takes longer than to send them, and threads wait for it."""

INTERVAL = 60
"""Seconds between two times; it takes some milliseconds."""


def keep_flat() -> None:
    """Have all threads share one heap, and large blocks leave no holes in it.

    glibc gives each thread a heap of its own, up to eight a core, and what one frees there the
    others cannot use. Left alone it also puts ever larger blocks into them, up to 32 MB, once one
    of that size was freed.
    """
    limit = getattr(ctypes.CDLL(None), "mallopt", None)
    if limit is not None:
        limit(M_ARENA_MAX, 1)
        limit(M_MMAP_THRESHOLD, LARGE)
        limit(M_TRIM_THRESHOLD, 2 * LARGE)


def give_back() -> None:
    """Give the system what is free (malloc_trim(3))."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def run(stop: threading.Event) -> None:
    """Give back what is free now and then, until told to stop."""
    while not stop.wait(INTERVAL):
        give_back()
