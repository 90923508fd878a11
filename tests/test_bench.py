"""The benchmark runs and prints its table; what it measures is for a quiet machine to say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE = 200
"""Seconds that a test waits for a benchmark; many times what one takes."""


def quick(folder: Path, *parts: str) -> str:
    """Return what a quick benchmark of these parts prints."""
    only = [word for part in parts for word in ("--only", part)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--folder", str(folder), *only],
        cwd=Path(__file__).parent.parent,
        env={name: value for name, value in os.environ.items() if "EFACT_BRIDGE" not in name},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert list(folder.iterdir()) == []
    return done.stdout


@pytest.mark.timeout(PATIENCE + 20)
def test_a_quick_benchmark_prints_ratios(tmp_path: Path) -> None:
    printed = quick(tmp_path, "pull", "send", "sftp", "ftp")
    for what in ("pull, hub at 0 ms", "pull, hub at 20 ms", "send, hub at 0 ms"):
        assert re.search(rf"^{what}: .*/s .* \d+\.\d\d ", printed, re.MULTILINE), printed


@pytest.mark.timeout(PATIENCE + 20)
def test_a_quick_benchmark_of_serve_prints_memory_and_starts(tmp_path: Path) -> None:
    printed = quick(tmp_path, "memory", "recovery")
    assert re.search(r"^  after 100 % +\d+ MB$", printed, re.MULTILINE), printed
    assert re.search(r"^start after kill -9: until ready .*\d s ", printed, re.MULTILINE), printed


@pytest.mark.timeout(PATIENCE + 20)
def test_a_report_old_files_and_moves_can_be_measured(tmp_path: Path) -> None:
    printed = quick(tmp_path, "compare", "files", "moves")
    assert re.search(r"^report +\d+\.\d\d s +\d+ MB", printed, re.MULTILINE), printed
    assert re.search(r"^diff -rq +\d+\.\d\d s", printed, re.MULTILINE), printed
    assert re.search(r"^  cutover after that, the move +\d.* MB$", printed, re.MULTILINE), printed
