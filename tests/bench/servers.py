"""Two SFTP servers over the same mailbox folder: our door, and OpenSSH's own."""

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.door import USER
from tests.bench.processes import free_port, listens, running


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a client finds the mailbox."""

    user: str
    port: int
    mailbox: str
    """The path of the mailbox as this server's clients name it."""


@contextmanager
def our_door(mailbox: Path, folder: Path, key: Path) -> Iterator[Server]:
    """Run our door over a mailbox."""
    command = [sys.executable, "-m", "tests.bench.door", mailbox, folder, f"{key}.pub"]
    with (
        (folder / "door.log").open("w") as log,
        running(command, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        assert process.stdout is not None
        port = process.stdout.readline()
        if not port:
            raise RuntimeError(f"the door did not open: {(folder / 'door.log').read_text()}")
        yield Server(user=USER, port=int(port), mailbox="")


@contextmanager
def openssh(mailbox: Path, folder: Path, key: Path) -> Iterator[Server | str]:
    """Run OpenSSH's server over a mailbox; gives a sentence in its place where it cannot be."""
    program = _sshd()
    if program is None:
        yield "no sshd on this machine (Debian: apt-get install openssh-server)"
        return
    config, log, port = folder / "sshd_config", folder / "sshd.log", free_port()
    config.write_text(_config(port, _host_key(folder), authorized=f"{key}.pub"))
    _make_room_for_privileges()
    with running([program, "-D", "-f", config, "-E", log]) as process:
        if listens(port, process):
            yield Server(user=getpass.getuser(), port=port, mailbox=str(mailbox))
        else:
            yield f"sshd does not start: {log.read_text().strip()}"


def make_key(path: Path) -> Path:
    """Make a key pair with OpenSSH's own program."""
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(keygen, check=True)
    return path


def _sshd() -> str | None:
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _host_key(folder: Path) -> Path:
    return make_key(folder / "sshd_host_key")


def _config(port: int, host_key: Path, *, authorized: str) -> str:
    return f"""\
ListenAddress 127.0.0.1:{port}
HostKey {host_key}
AuthorizedKeysFile {authorized}
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
PidFile none
LogLevel ERROR
Subsystem sftp internal-sftp
"""


def _make_room_for_privileges() -> None:
    """Make the folder that an sshd of root's wants, as its service does."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
