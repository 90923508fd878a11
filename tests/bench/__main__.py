"""`python -m tests.bench`: measures, and prints a table of ratios."""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bridge import logs
from bridge.running import memory
from tests.bench.comparing import compare_table, files_table
from tests.bench.figures import Figure, heading
from tests.bench.flows import fill_batches, pull_figures, push_figures
from tests.bench.moving import moves_table
from tests.bench.processes import UnevenError, running_hub
from tests.bench.rig import open_rig
from tests.bench.serving import memory_table, recovery_figures
from tests.bench.transfers import Amounts, ftp_figures, sftp_figures

PARTS = ("pull", "send", "sftp", "ftp", "memory", "recovery", "compare", "files", "moves")
INVOICE_SIZE = 20_000
SMALL_SIZE = 4_000
"""Bytes of an invoice where only their number counts: 100,000 have to fit on the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is done."""

    batch: int
    """Invoices of a round of pull and send."""
    transfers: Amounts
    """Files that pass the doors."""
    passing: int
    """Invoices that pass through `serve` while its memory is looked at."""
    past: int
    """Deliveries in the ledger of a `serve` that was killed."""
    compared: int
    """Deliveries a side in the ledger of a report."""
    old_files: int
    """Files in a folder of old files."""
    moved: int
    """Invoices that wait when an account is moved."""
    rounds: int


FULL = Scale(
    batch=250,
    transfers=Amounts(files=2000, uploads=1000, large=100_000_000, listed=20_000, ftp_files=400),
    passing=2000,
    past=10_000,
    compared=1_000_000,
    old_files=50_000,
    moved=2000,
    rounds=5,
)
QUICK = Scale(
    batch=30,
    transfers=Amounts(files=100, uploads=50, large=5_000_000, listed=1000, ftp_files=40),
    passing=50,
    past=500,
    compared=2_000,
    old_files=200,
    moved=30,
    rounds=1,
)


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; 0 when it could be measured."""
    asked = _parse(arguments)
    scale = _scale(asked)
    memory.keep_flat()  # as `serve` does; the loops run in this process as well
    print(_machine(), flush=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="efact-bench-", dir=asked.folder) as folder,
            _logging_into(Path(folder) / "log"),
        ):
            figures = _measure(Path(folder), asked.only or PARTS, scale)
    except UnevenError as error:
        print(f"Not measured: {error}", file=sys.stderr)
        return 1
    print(f"\n{heading()}")
    for figure in figures:
        print(figure.line())
    print(
        "\nRatio: our speed ÷ the reference's in the same round (1 is as fast); median and spread "
        f"of {scale.rounds} alternated rounds after one to warm up. CPU: processor time that our "
        "server took ÷ that of the reference."
    )
    return 0


@contextmanager
def _logging_into(path: Path) -> Iterator[None]:
    """Log what `serve` logs, into a file: it is part of the work."""
    with path.open("w") as log:
        with redirect_stderr(log):
            logs.configure("json")
        yield


def _measure(folder: Path, parts: Sequence[str], scale: Scale) -> list[Figure]:
    figures: list[Figure] = []
    if "sftp" in parts:
        figures += sftp_figures(folder / "sftp", amounts=scale.transfers, rounds=scale.rounds)
    if "ftp" in parts:
        figures += ftp_figures(folder / "ftp", amounts=scale.transfers, rounds=scale.rounds)
    if "pull" in parts or "send" in parts:
        figures += _flows(folder, parts, scale)
    if "memory" in parts:
        table = memory_table(folder / "memory", size=SMALL_SIZE, invoices=scale.passing)
        print(table, flush=True)
    if "recovery" in parts:
        figures += recovery_figures(
            folder / "recovery", size=SMALL_SIZE, deliveries=scale.past, rounds=scale.rounds
        )
    if "compare" in parts:
        where = folder / "compare"
        print(compare_table(where, deliveries=scale.compared, rounds=scale.rounds), flush=True)
    if "files" in parts:
        where = folder / "files"
        print(files_table(where, files=scale.old_files, rounds=scale.rounds), flush=True)
    if "moves" in parts:
        table = moves_table(folder / "moves", size=SMALL_SIZE, invoices=scale.moved)
        print(table, flush=True)
    return figures


def _flows(folder: Path, parts: Sequence[str], scale: Scale) -> list[Figure]:
    figures: list[Figure] = []
    with (
        # Lists without a cap, for both sides alike: all of a batch is listed at once.
        running_hub(size=INVOICE_SIZE, rows=3 * scale.batch) as hub,
        open_rig(hub, folder) as rig,
    ):
        for delay in (0.0, 0.02):
            if "pull" in parts:
                figures += pull_figures(rig, delay=delay, batch=scale.batch, rounds=scale.rounds)
            else:
                fill_batches(rig, delay=delay, batch=scale.batch, rounds=scale.rounds)
            if "send" in parts:
                figures += push_figures(rig, delay=delay, rounds=scale.rounds)
    return figures


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a tenth, once: does it run at all?")
    parser.add_argument("--rounds", type=int, help=f"rounds that count (default {FULL.rounds})")
    parser.add_argument(
        "--invoices",
        type=int,
        help=f"how many: in a round of pull and send (default {FULL.batch}), through serve for "
        f"memory ({FULL.passing}), in the ledger for recovery ({FULL.past}), waiting when an "
        f"account is moved ({FULL.moved})",
    )
    parser.add_argument("--folder", help="where to work; on the disk that is to be measured")
    return parser.parse_args(arguments)


def _scale(asked: argparse.Namespace) -> Scale:
    scale = QUICK if asked.quick else FULL
    if asked.invoices:
        count = asked.invoices
        scale = replace(scale, batch=count, passing=count, past=count, moved=count)
    return replace(scale, rounds=asked.rounds or scale.rounds)


def _machine() -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit or 'unknown'}, {os.cpu_count()} cores that "
        f"client, bridge and hub share, Python {platform.python_version()}, {platform.system()}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
