"""`python -m tests.fuzz TARGET [OPTION…]`: fuzzes a part of the core with atheris.

What is new goes into a temporary copy of the corpus. Options are libFuzzer's, such as
`-max_total_time=3600`. A finding ends the run and leaves a file named `crash-…`.
"""

import sys
import tempfile
from pathlib import Path
from shutil import copytree

import atheris

with atheris.instrument_imports(include=["bridge"]):
    from tests.fuzz.properties import CORPUS, TARGETS


def main() -> None:
    """Fuzz until libFuzzer's options end it."""
    target, *options = sys.argv[1:] or [""]
    if target not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz {{{','.join(TARGETS)}}} [OPTION…]")
    with tempfile.TemporaryDirectory(prefix="efact-fuzz-") as folder:
        corpus = Path(copytree(CORPUS / target, folder, dirs_exist_ok=True))
        atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
