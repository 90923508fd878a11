"""Memory that is free goes back to the system.

The C library keeps what was freed between what is still in use: with threads that come and go, a
little more each hour. What the system sees would grow for days, though no more is in use.
"""

import ctypes
import threading

INTERVAL = 60
"""Seconds between two times; it takes some milliseconds."""


def give_back() -> None:
    """Give the system what is free; only the GNU C library can (malloc_trim(3))."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def run(stop: threading.Event) -> None:
    """Give back what is free now and then, until told to stop."""
    while not stop.wait(INTERVAL):
        give_back()
