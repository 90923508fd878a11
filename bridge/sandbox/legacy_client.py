"""Old accounting software at a mailbox: it lists, reads, deletes, and drops state files.

Over SFTP it keeps to the sequence of the one public client (legacy-ftp, "How a client behaves"):
log in with a password, ask where one is, append `/statout` to the answer, list with attributes,
open and read each file, then remove each. Over FTP it does the same with the words of FTP.
Nothing in here knows how the bridge works.
"""

import contextlib
import ftplib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import paramiko

from bridge.errors import BridgeError

TIMEOUT = 20
"""Seconds without an answer after which the client gives up."""


class LegacyClientError(BridgeError):
    """The mailbox did not do what old software expects of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file that the client read from the mailbox."""

    folder: str
    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a mailbox is, and how to log in."""

    port: int
    user: str
    password: str
    host: str = "127.0.0.1"


class LegacyClient(Protocol):
    """One session; every method raises LegacyClientError when the mailbox balks."""

    def names(self, folder: str) -> list[str]:
        """List a folder, the oldest first."""

    def read(self, folder: str, name: str) -> bytes:
        """Read a file to its end."""

    def delete(self, folder: str, name: str) -> None:
        """Delete a file: this tells the other side that it was taken."""

    def drop(self, folder: str, name: str, content: bytes) -> None:
        """Write a file in the manner of this client."""


Wanted = Callable[[str], bool]
"""Tells by its name whether a file is to be taken."""


def everything(_name: str) -> bool:
    """Take every file."""
    return True


def look(client: LegacyClient, folder: str, wanted: Wanted = everything) -> list[Fetched]:
    """Read the files of a folder and leave them there."""
    names = [name for name in client.names(folder) if wanted(name)]
    return [Fetched(folder=folder, name=name, content=client.read(folder, name)) for name in names]


def collect(client: LegacyClient, folder: str, wanted: Wanted = everything) -> list[Fetched]:
    """Read the files of a folder, and delete them once all are read."""
    files = look(client, folder, wanted)
    for file in files:
        client.delete(folder, file.name)
    return files


class SftpSession:
    """Over SFTP; uploads under a temporary name and renames them."""

    def __init__(self, sftp: paramiko.SFTPClient) -> None:
        self._sftp = sftp
        self._home = sftp.normalize(".")

    def names(self, folder: str) -> list[str]:
        """List a folder, the oldest first."""
        with self._in(folder):
            entries = self._sftp.listdir_attr(".")
        return [each.filename for each in sorted(entries, key=lambda each: each.st_mtime or 0)]

    def read(self, folder: str, name: str) -> bytes:
        """Read a file to its end."""
        with self._in(folder), self._sftp.open(name) as file:
            return file.read()

    def delete(self, folder: str, name: str) -> None:
        """Delete a file."""
        with self._in(folder):
            self._sftp.remove(name)

    def drop(self, folder: str, name: str, content: bytes) -> None:
        """Upload as `name.tmp`, then rename."""
        with self._in(folder):
            self._sftp.putfo(io.BytesIO(content), f"{name}.tmp")
            self._sftp.rename(f"{name}.tmp", name)

    @contextmanager
    def _in(self, folder: str) -> Iterator[None]:
        with _balks("SFTP", folder):
            self._sftp.chdir(f"{self._home}/{folder}")
            yield


class FtpSession:
    """Over FTP; uploads under the final name."""

    def __init__(self, ftp: ftplib.FTP) -> None:
        self._ftp = ftp
        self._home = ftp.pwd()

    def names(self, folder: str) -> list[str]:
        """List a folder, the oldest first."""
        with self._in(folder):
            entries = [(facts["modify"], name) for name, facts in self._ftp.mlsd()]
        return [name for _, name in sorted(entries) if name not in (".", "..")]

    def read(self, folder: str, name: str) -> bytes:
        """Read a file to its end."""
        content = io.BytesIO()
        with self._in(folder):
            self._ftp.retrbinary(f"RETR {name}", content.write)
        return content.getvalue()

    def delete(self, folder: str, name: str) -> None:
        """Delete a file."""
        with self._in(folder):
            self._ftp.delete(name)

    def drop(self, folder: str, name: str, content: bytes) -> None:
        """Upload under the final name."""
        with self._in(folder):
            self._ftp.storbinary(f"STOR {name}", io.BytesIO(content))

    @contextmanager
    def _in(self, folder: str) -> Iterator[None]:
        with _balks("FTP", folder):
            self._ftp.cwd(f"{self._home}/{folder}")
            yield


@contextmanager
def over_sftp(endpoint: Endpoint) -> Iterator[SftpSession]:
    """Log in over SFTP for the length of the block."""
    with contextlib.ExitStack() as open_things:
        with _balks("SFTP", "login"):
            address = (endpoint.host, endpoint.port)
            transport = paramiko.Transport(address)
            open_things.callback(transport.close)
            transport.connect(username=endpoint.user, password=endpoint.password)
            sftp = paramiko.SFTPClient.from_transport(transport)
            assert sftp is not None
            sftp.get_channel().settimeout(TIMEOUT)  # type: ignore[union-attr]
            session = SftpSession(sftp)
        yield session


@contextmanager
def over_ftp(endpoint: Endpoint) -> Iterator[FtpSession]:
    """Log in over FTP for the length of the block."""
    with contextlib.ExitStack() as open_things:
        with _balks("FTP", "login"):
            ftp = ftplib.FTP(timeout=TIMEOUT)  # noqa: S321  (FTP is what is tried)
            open_things.callback(ftp.close)
            ftp.connect(endpoint.host, endpoint.port)
            ftp.login(endpoint.user, endpoint.password)
            session = FtpSession(ftp)
        yield session


@contextmanager
def _balks(protocol: str, where: str) -> Iterator[None]:
    try:
        yield
    except (paramiko.SSHException, EOFError, OSError, ftplib.Error) as error:
        reason = str(error) or type(error).__name__
        raise LegacyClientError(
            f"the old client got stuck over {protocol}: {where}: {reason}"
        ) from error
