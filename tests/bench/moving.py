"""Both moves over many invoices, beside copying the same files with rclone."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.processes import UnevenError, running_hub
from tests.bench.serving import gateway_at
from tests.gateway import COMMAND

RECONCILE = Path(sys.executable).with_name("efact-reconcile")

FORM = "  {:<34} {:>9} {:>8}"


def moves_table(folder: Path, *, size: int, invoices: int) -> str:
    """Roll back so many waiting invoices into a folder, and cut over again; return the table."""
    folder.mkdir()
    lines = [FORM.format("", "time", "memory")]
    with running_hub(size=size, rows=2 * invoices) as hub:
        gateway = gateway_at(hub, folder)
        hub.add(invoices)
        config = ("-c", str(gateway.config))
        _run([str(COMMAND), "pull", *config])
        if rclone := shutil.which("rclone"):
            copy = [rclone, "copy", str(gateway.mailbox), str(folder / "copied")]
            lines.append(_line("rclone copy of the same files", copy))
        back = [str(RECONCILE), "rollback", *config, "--target", str(folder / "target")]
        there = [str(RECONCILE), "cutover", *config]
        lines += [
            _line("rollback into a folder, the plan", back),
            _line("rollback into a folder, the move", [*back, "--apply"]),
            _line("cutover, the plan", there),
            _line("cutover, the move", [*there, "--apply"]),
        ]
    head = f"\nMoves with {invoices:,} invoices of {size // 1000} KB that wait:"
    return "\n".join([head, *lines])


def _line(what: str, command: Sequence[str]) -> str:
    seconds, memory = _run(command)
    return FORM.format(what, f"{seconds:.1f} s", f"{memory} MB")


def _run(command: Sequence[str]) -> tuple[float, int]:
    """Run a command to its end; return its seconds, and the most memory it had in megabytes."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UnevenError(f"{' '.join(command[:2])} ended with {process.returncode}: {said[-500:]}")
    return time.perf_counter() - began, usage.ru_maxrss // 1024
