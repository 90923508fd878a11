"""Real client programs: found, or the test is skipped; with EFACT_REQUIRE_CLIENTS=1 it fails."""

import os
import shutil
from pathlib import Path

import pytest


def require_program(name: str, *, also: str = "") -> str:
    """Return the path of a program that the test needs; `also` is a folder to look into."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{also}")
    return path or _miss(name)


def require_file(path: Path, package: str) -> Path:
    """Return the path of a file that the test needs, of a Debian package."""
    return path if path.exists() else Path(_miss(package))


def _miss(what: str) -> str:
    message = f"{what} is not installed"
    if os.environ.get("EFACT_REQUIRE_CLIENTS") == "1":
        pytest.fail(message)
    pytest.skip(message)
