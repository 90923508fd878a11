"""Real client programs: found, or the test is skipped; with EFACT_REQUIRE_CLIENTS=1 it fails."""

import os
import shutil

import pytest


def require_program(name: str, *, also: str = "") -> str:
    """Return the path of a program that the test needs; `also` is a folder to look into."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{also}")
    if path is None:
        message = f"{name} is not installed"
        if os.environ.get("EFACT_REQUIRE_CLIENTS") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return path
