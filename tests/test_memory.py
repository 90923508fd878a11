"""Memory that is free, and whether the system has it."""

import platform
import subprocess
import sys

import pytest

HOLES = """
from pathlib import Path
from bridge.memory import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

blocks = [bytes(9_000) for _ in range(8_000)]
used = blocks[::20]
del blocks
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_is_free_between_what_is_used_goes_back_to_the_system() -> None:
    run = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    assert int(run.stdout) > 30_000_000
