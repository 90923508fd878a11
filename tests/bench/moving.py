"""Both moves over many invoices, beside copying the same files with rclone."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.processes import HubProcess, UnevenError, running_hub
from tests.bench.serving import memory_of
from tests.bench.waiting import multiply
from tests.gateway import COMMAND, Gateway, install

RECONCILE = Path(sys.executable).with_name("efact-reconcile")

FORM = "  {:<40} {:>9} {:>9} {:>8}"

PULLED = 250
"""Invoices that come from the hub, one by one; the others are copies of these with other bytes."""


def moves_table(folder: Path, *, size: int, invoices: int) -> str:
    """Roll back so many waiting invoices, and cut over again; return the table.

    Once into a folder, once to an old mailbox that is a folder of this machine.
    """
    folder.mkdir()
    lines = [FORM.format("", "time", "processor", "memory")]
    with running_hub(size=size) as hub:
        lines += _into_a_folder(_waiting(hub, folder / "alone", invoices))
        shutil.rmtree(folder / "alone", ignore_errors=True)
        lines += _to_the_old_mailbox(_waiting(hub, folder / "beside", invoices, has_old=True))
    head = f"\nMoves with {invoices:,} invoices of {size // 1000} KB that wait:"
    return "\n".join([head, *lines])


def _into_a_folder(gateway: Gateway) -> Iterator[str]:
    yield from _copied(gateway)
    back = _move(gateway, "rollback", "--target", str(gateway.folder / "target"))
    yield _line("rollback into a folder, the plan", back)
    yield _line("rollback into a folder, the move", [*back, "--apply"])
    there = _move(gateway, "cutover")
    yield _line("cutover after that, the plan", there)
    yield _line("cutover after that, the move", [*there, "--apply"])


def _to_the_old_mailbox(gateway: Gateway) -> Iterator[str]:
    back = _move(gateway, "rollback")
    yield _line("rollback to an old mailbox, the plan", back)
    yield _line("rollback to an old mailbox, the move", [*back, "--apply"])


def _copied(gateway: Gateway) -> Iterator[str]:
    if rclone := shutil.which("rclone"):
        target = str(gateway.folder / "copied")
        yield _line("rclone copy of the same files", [rclone, "copy", str(gateway.mailbox), target])


def _move(gateway: Gateway, kind: str, *options: str) -> list[str]:
    return [str(RECONCILE), kind, "-c", str(gateway.config), *options]


def _waiting(hub: HubProcess, folder: Path, invoices: int, *, has_old: bool = False) -> Gateway:
    """Install a gateway in whose mailbox so many invoices wait."""
    folder.mkdir()
    account = f'acknowledge = "{"never" if has_old else "stored"}"'
    if has_old:
        for role in ("out", "adjout", "statout", "statin"):
            (folder / "old" / role).mkdir(parents=True)
        account += f'\n[account.legacy]\nurl = "file://{folder}/old"'
    gateway = install(folder, hub, account=account)
    hub.fill(min(invoices, PULLED))
    _run([str(COMMAND), "pull", "-c", str(gateway.config)])
    multiply(folder / "data", invoices=invoices)
    return gateway


def _line(what: str, command: Sequence[str]) -> str:
    seconds, processor, memory = _run(command)
    return FORM.format(what, f"{seconds:.1f} s", f"{processor:.1f} s", f"{memory} MB")


def _run(command: Sequence[str]) -> tuple[float, float, int]:
    """Run a command to its end; return its seconds, its processor time, and its most memory.

    The memory is in megabytes.
    """
    began, memory = time.perf_counter(), 0
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said) as process:
            while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
                # What the kernel tells in the end counts in what forked it.
                memory = max(memory, memory_of(process.pid, "VmHWM"))
                time.sleep(0.02)
            process.returncode = os.waitstatus_to_exitcode(ended[1])
        if process.returncode:
            said.seek(0)
            last = said.read().decode()[-500:]
            raise UnevenError(f"{' '.join(command[:2])} ended with {process.returncode}: {last}")
    processor = ended[2].ru_utime + ended[2].ru_stime
    return time.perf_counter() - began, processor, memory
