"""How much processor time a server took, with all its children: a steadier measure than seconds.

Other programs on the machine make everything take longer; they hardly change this.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

_PATIENCE = 5.0
"""Seconds that a server may take to let go of a client that has left."""


def processor_time(process: int) -> float:
    """Return the seconds of a process and of all children it ever had; waits until none is left."""
    deadline = time.monotonic() + _PATIENCE
    while _has_children(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # user, system, and children's


def _has_children(process: int) -> bool:
    for thread in Path(f"/proc/{process}/task").iterdir():
        with suppress(FileNotFoundError):  # it has ended meanwhile
            if (thread / "children").read_text():
                return True
    return False
