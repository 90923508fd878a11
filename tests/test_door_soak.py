"""Round after round of the same traffic: the doors' memory and files stay as they are, threads few.

A few rounds here; `EFACT_SOAK=1440 make test ARGS="-n 0 -k soak"` does as many as a client that
comes each minute does in 24 hours (some minutes).
"""

import ftplib
import io
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest

from bridge.facade.turns import Slow
from tests.bench.door import PASSWORD, USER
from tests.bench.servers import Server, our_doors
from tests.door_rig import XML, user_key

ROUNDS = int(os.environ.get("EFACT_SOAK", "50"))
WARM_UP = 30
"""Rounds before it counts: caches fill, and each kind of thread was there once."""

MOST_GROWTH = 6_000
"""KiB; noise of the allocator. A leak of a buffer or of a connection is more in 50 rounds."""

HELPERS = sum(kind.value for kind in Slow)
"""Threads that do aside what takes long; once there they stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    sftp: Server
    ftp: Server
    mailbox: Path

    def files(self) -> int:
        """Return how many files are open."""
        return len(list(Path(f"/proc/{self.sftp.process}/fd").iterdir()))

    def threads(self) -> int:
        """Return how many threads there are."""
        return len(list(Path(f"/proc/{self.sftp.process}/task").iterdir()))

    def memory(self) -> int:
        """Return the resident memory in KiB."""
        lines = Path(f"/proc/{self.sftp.process}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    key, public = user_key()
    shutil.copy(key, tmp_path / "key")
    (tmp_path / "key.pub").write_text(public)
    mailbox = tmp_path / "mailbox"
    (mailbox / "out").mkdir(parents=True)
    with our_doors(mailbox, tmp_path, tmp_path / "key") as (sftp, ftp):
        yield Doors(sftp=sftp, ftp=ftp, mailbox=mailbox)


def sftp_round(doors: Doors) -> None:
    with paramiko.Transport(("127.0.0.1", doors.sftp.port)) as transport:
        transport.connect(username=USER, password=PASSWORD)
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp is not None
        (doors.mailbox / "out" / "a").write_bytes(XML * 1000)
        assert sftp.listdir("/out") == ["a"]
        with sftp.open("/out/a") as file:
            assert file.read() == XML * 1000
        sftp.remove("/out/a")
        sftp.putfo(io.BytesIO(XML), "/statin/a.tmp")
        sftp.posix_rename("/statin/a.tmp", "/statin/a")
        with suppress(OSError):
            sftp.open("/out/none")
        sftp.open("/statin/lost", "wb").write(XML)  # and the line breaks
        transport.sock.close()


def ftp_round(doors: Doors) -> None:
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", doors.ftp.port, timeout=30)
        ftp.login(USER, PASSWORD)
        (doors.mailbox / "out" / "b").write_bytes(XML * 1000)
        assert ftp.nlst("/out") == ["b"]
        fetched = io.BytesIO()
        ftp.retrbinary("RETR /out/b", fetched.write)
        assert fetched.getvalue() == XML * 1000
        ftp.delete("/out/b")
        ftp.storbinary("STOR /statin/b", io.BytesIO(XML))
        with suppress(ftplib.error_perm):
            ftp.size("/out/none")
        channel = ftp.transfercmd("STOR /statin/lost")
        channel.sendall(XML)
        ftp.close()  # in the middle
        channel.close()


def settled(doors: Doors, most: int | None = None) -> int:
    """Return the open files once every client is gone: they are so few, or stay as they are."""
    deadline = time.monotonic() + 60
    before, seen = -1, doors.files()
    while time.monotonic() < deadline and (seen != before if most is None else seen > most):
        time.sleep(0.1)
        before, seen = seen, doors.files()
    return seen


@pytest.mark.timeout(120 + 2 * ROUNDS)
def test_a_soak_of_many_rounds_leaves_memory_and_files_as_they_were_and_few_threads(
    doors: Doors,
) -> None:
    sftp_round(doors)  # each door has begun to serve
    ftp_round(doors)
    at_rest, threads = settled(doors), doors.threads()
    for _ in range(WARM_UP):
        sftp_round(doors)
        ftp_round(doors)
    assert settled(doors, at_rest) <= at_rest
    before = doors.memory()
    for _ in range(ROUNDS):
        sftp_round(doors)
        ftp_round(doors)
    assert settled(doors, at_rest) <= at_rest
    assert doors.threads() <= threads + HELPERS
    assert doors.memory() - before < MOST_GROWTH
