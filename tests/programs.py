"""Real client programs: found, or the test is skipped; with EFACT_REQUIRE_CLIENTS=1 it fails."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def require_program(name: str, *, also: str = "") -> str:
    """Return the path of a program that the test needs; `also` is a folder to look into."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{also}")
    return path or miss(f"{name} is not installed")


def require_file(path: Path, package: str) -> Path:
    """Return the path of a file that the test needs, of a Debian package."""
    return path if path.exists() else Path(miss(f"{package} is not installed"))


def miss(message: str) -> NoReturn:
    """Skip the test for what this machine lacks, or fail it where all is required."""
    if os.environ.get("EFACT_REQUIRE_CLIENTS") == "1":
        pytest.fail(message)
    pytest.skip(message)
