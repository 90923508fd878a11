"""Whether this machine lets the bridge work: whose the data folder is, the disk, the ledger."""

import os
import pwd
import shutil
from pathlib import Path

from bridge.doctor.finding import Finding, Verdict
from bridge.durable import removed_unless_whole, storage, sync_folder, write_file
from bridge.errors import StorageError
from bridge.ledger import Ledger
from bridge.status.words import size

LITTLE_SPACE = 1 << 30
"""Bytes; with less than this free the disk deserves a warning."""


def other_owner(data_dir: Path) -> str:
    """Say why root must not look further: what it makes there the service cannot write."""
    try:
        owner = data_dir.stat().st_uid
    except OSError:
        return ""
    if os.geteuid() != 0 or owner == 0:
        return ""
    user = _user_name(owner)
    return (
        f"{data_dir} belongs to {user}: host keys, disk and ledger were not looked at; run this "
        f"as the user of the service: `sudo -u {user} efact-bridge check …`"
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def examine_disk(data_dir: Path) -> Finding:
    """Look whether the data folder's disk has room, and takes what the bridge does to it."""
    try:
        free = _try_disk(data_dir)
    except StorageError as error:
        return Finding("disk", Verdict.FAILED, str(error))
    if free < LITTLE_SPACE:
        said = f"{data_dir}: only {size(free)} are free: make room"
        return Finding("disk", Verdict.WARNING, said)
    said = f"{data_dir}: {size(free)} free, files can be written and linked"
    return Finding("disk", Verdict.OK, said)


def _try_disk(data_dir: Path) -> int:
    """Write, link and sync a file; return the free bytes."""
    with storage(f"data_dir {data_dir}"):
        data_dir.mkdir(parents=True, exist_ok=True)
        probe, link = data_dir / ".check", data_dir / ".check-link"
        for path in (probe, link):
            path.unlink(missing_ok=True)
        with removed_unless_whole(probe), removed_unless_whole(link):
            write_file(probe, b"check")
            os.link(probe, link)
            sync_folder(data_dir)
        for path in (probe, link):
            path.unlink()
        return shutil.disk_usage(data_dir).free


def open_ledger(path: Path) -> str:
    """Open the ledger, a new one where there is none; raises LedgerError."""
    Ledger(path).close()
    return f"{path} can be opened"
