"""What FTP clients do: lftp for many files, Python's ftplib where only the server shall count."""

import ftplib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.processes import UnevenError, all_at_once, client
from tests.bench.servers import Server

_LFTP = ["lftp", "-f", "/dev/stdin"]


def missing() -> str:
    """Return a sentence where a client is not installed, else nothing."""
    return "" if shutil.which("lftp") else "no lftp on this machine (Debian: apt-get install lftp)"


def mirror(server: Server, folder: str, target: Path) -> None:
    """Fetch a folder's XML files with lftp."""
    client(_LFTP, _script(server, folder, "*.XML", target))


def mirror_at_once(server: Server, folder: str, patterns: Sequence[str], target: Path) -> None:
    """Fetch with an lftp for each pattern, all at the same time."""
    all_at_once([(_LFTP, _script(server, folder, pattern, target)) for pattern in patterns])


def fetch(server: Server, path: str, target: Path) -> None:
    """Fetch a file."""
    with _session(server) as ftp, target.open("wb") as file:
        ftp.retrbinary(f"RETR {server.mailbox}/{path}", file.write, blocksize=256 * 1024)


def list_folder(server: Server, folder: str, count: int) -> None:
    """List a folder in the form of `ls -l`; raises UnevenError when it has not so many lines."""
    lines = 0

    def take(data: bytes) -> None:
        nonlocal lines
        lines += data.count(b"\n")

    with _session(server) as ftp:
        ftp.cwd(f"{server.mailbox}/{folder}")
        ftp.retrbinary("LIST", take, blocksize=256 * 1024)
    if lines != count:
        raise UnevenError(f"a list of {lines} lines instead of {count}")


@contextmanager
def _session(server: Server) -> Iterator[ftplib.FTP]:
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", server.port, timeout=60)
        ftp.login(server.user, server.password)
        yield ftp


def _script(server: Server, folder: str, pattern: str, target: Path) -> str:
    return (
        "set ftp:ssl-allow no; set net:max-retries 1; set cmd:fail-exit yes\n"
        f"open -u {server.user},{server.password} -p {server.port} ftp://127.0.0.1\n"
        f"mirror -I '{pattern}' {server.mailbox}/{folder} {target}/\n"
    )
