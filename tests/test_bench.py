"""The benchmark runs and prints its table; what it measures is for a quiet machine to say."""

import os
import re
import subprocess
import sys
from pathlib import Path


def test_a_quick_benchmark_prints_ratios(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--folder", str(tmp_path)],
        cwd=Path(__file__).parent.parent,
        env={name: value for name, value in os.environ.items() if "EFACT_BRIDGE" not in name},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for what in ("pull, hub at 0 ms", "pull, hub at 20 ms", "send, hub at 0 ms"):
        assert re.search(rf"^{what}: .*/s .* \d+\.\d\d ", done.stdout, re.MULTILINE), done.stdout
    assert list(tmp_path.iterdir()) == []
