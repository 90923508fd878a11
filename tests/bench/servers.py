"""Servers over the same mailbox folder: our doors, OpenSSH's own for SFTP, vsftpd for FTP."""

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.door import PASSWORD, USER
from tests.bench.processes import listens, running
from tests.ports import free_port


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a client finds the mailbox."""

    user: str
    port: int
    mailbox: str
    """The path of the mailbox as this server's clients name it."""
    process: int
    """Its process, which may have children."""
    password: str = ""


@contextmanager
def our_doors(mailbox: Path, folder: Path, key: Path) -> Iterator[tuple[Server, Server]]:
    """Run our doors over a mailbox: SFTP and FTP."""
    command = [sys.executable, "-m", "tests.bench.door", mailbox, folder, f"{key}.pub"]
    with (
        (folder / "door.log").open("w") as log,
        running(command, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        assert process.stdout is not None
        ports = process.stdout.readline().split()
        if not ports:
            raise RuntimeError(f"the doors did not open: {(folder / 'door.log').read_text()}")
        sftp, ftp = map(int, ports)
        door = Server(user=USER, port=sftp, mailbox="", process=process.pid, password=PASSWORD)
        yield door, replace(door, port=ftp)


@contextmanager
def openssh(mailbox: Path, folder: Path, key: Path) -> Iterator[Server | str]:
    """Run OpenSSH's server over a mailbox; gives a sentence in its place where it cannot be."""
    program = _program("sshd")
    if program is None:
        yield "no sshd on this machine (Debian: apt-get install openssh-server)"
        return
    config, log, port = folder / "sshd_config", folder / "sshd.log", free_port()
    config.write_text(_config(port, _host_key(folder), authorized=f"{key}.pub"))
    _make_room_for_privileges()
    with running([program, "-D", "-f", config, "-E", log]) as process:
        if listens(port, process):
            yield Server(
                user=getpass.getuser(), port=port, mailbox=str(mailbox), process=process.pid
            )
        else:
            yield f"sshd does not start: {log.read_text().strip()}"


@contextmanager
def vsftpd(mailbox: Path, folder: Path) -> Iterator[Server | str]:
    """Run vsftpd over a mailbox; gives a sentence in its place where it cannot be."""
    program = _program("vsftpd")
    if program is None:
        yield "no vsftpd on this machine (Debian: apt-get install vsftpd)"
        return
    config, port = folder / "vsftpd.conf", free_port()
    config.write_text(_vsftpd_config(port, mailbox))
    with running([program, config], stdout=subprocess.PIPE) as process:
        if listens(port, process):
            yield Server(
                user="anonymous", port=port, mailbox=str(mailbox), process=process.pid, password="-"
            )
        else:
            assert process.stdout is not None
            yield f"vsftpd does not start: {process.stdout.read().strip()}"


@contextmanager
def bare_pyftpdlib(mailbox: Path) -> Iterator[Server]:
    """Run the library of our FTP door over a mailbox, with nothing of ours."""
    command = [sys.executable, "-m", "tests.bench.bare_pyftpdlib", mailbox]
    with running(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield Server(user=USER, port=port, mailbox="", process=process.pid, password=PASSWORD)


def make_key(path: Path) -> Path:
    """Make a key pair with OpenSSH's own program."""
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(keygen, check=True)
    return path


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


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


def _vsftpd_config(port: int, mailbox: Path) -> str:
    """Serve to anyone, as the user who runs the benchmark: no login of this machine is needed."""
    return f"""\
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
local_enable=NO
no_anon_password=YES
anon_root={mailbox}
anon_world_readable_only=NO
run_as_launching_user=YES
allow_writeable_chroot=YES
write_enable=YES
anon_upload_enable=YES
seccomp_sandbox=NO
xferlog_enable=NO
"""


def _make_room_for_privileges() -> None:
    """Make the folder that an sshd of root's wants, as its service does."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
