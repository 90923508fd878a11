"""Old mailboxes of every kind, to be read and written: real servers, each over a folder."""

import logging
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from bridge.settings import LegacySettings
from tests.bench.processes import listens, running
from tests.ports import free_port
from tests.programs import miss, require_program

KINDS = ("folder", "sftp", "ftp", "ftps")
LIVE = ("sftp", "ftp", "ftps")
PASSWORD = "old secret"
_HASHED = (
    "$6$oldmailbox$wmhQlZfi4rqYA3SkPOaMljJFa7nf.ZiUu9hf"
    "5SFXmSxCMuFAwqtbFAviKkwWK/CPOFnrJZhq/48S7WB9glslr/"
)
"""What /etc/shadow has of it."""
FOLDERS = ("out", "adjout", "statout", "statin", "in", "adjin")


@dataclass(frozen=True, slots=True, kw_only=True)
class OldServer:
    """A server, the folder that it serves, and the settings that lead there."""

    kind: str
    base: Path
    url: str
    """Up to the folder."""
    legacy: LegacySettings

    def mailbox(self, name: str, folders: tuple[str, ...] = FOLDERS) -> "OldServer":
        """Make a mailbox in the folder."""
        root = self.base / name
        root.mkdir()
        for folder in folders:
            (root / folder).mkdir()
        legacy = self.legacy.model_copy(update={"url": f"{self.url}/{name}/"})
        return replace(self, base=root, url=f"{self.url}/{name}", legacy=legacy)

    def changed(self, **settings: object) -> LegacySettings:
        """Return the settings with something changed in them."""
        return self.legacy.model_copy(update=settings)

    @property
    def port(self) -> int:
        """Where the server listens."""
        return int(self.url.partition("@127.0.0.1:")[2].partition("/")[0])

    def at(self, port: int) -> LegacySettings:
        """Return the settings for the same server at another port."""
        return self.changed(url=self.legacy.url.replace(f":{self.port}/", f":{port}/"))


Servers = Callable[..., OldServer]
"""`servers(kind)` or `servers(kind, read_only=True)`."""


@contextmanager
def old_servers(folder: Path) -> Iterator[Servers]:
    """Give servers of each kind over one folder, each started when it is first needed."""
    base = folder / "served"
    base.mkdir()
    made: dict[tuple[str, bool], OldServer] = {}
    with ExitStack() as stack:

        def server(kind: str, *, read_only: bool = False) -> OldServer:
            key = kind, read_only
            if key not in made:
                own = folder / f"{kind}-{read_only}"
                made[key] = stack.enter_context(old_server(kind, own, base, read_only=read_only))
            return made[key]

        yield server


@contextmanager
def old_server(
    kind: str, folder: Path, base: Path, *, read_only: bool = False, renames: bool = True
) -> Iterator[OldServer]:
    """Run a server of some kind over a folder; `folder` is for what it needs itself.

    Without `renames` one of the system, OpenSSH or vsftpd, forbids that alone.
    """
    folder.mkdir(exist_ok=True)
    password = secret(folder / "password", PASSWORD)
    with ExitStack() as stack:
        if kind == "folder":
            yield OldServer(
                kind=kind, base=base, url=f"file://{base}", legacy=LegacySettings(url="file:///")
            )
            return
        port = free_port()
        if kind == "sftp":
            options = f"{' -R' * read_only}{' -P rename,posix-rename' * (not renames)}"
            host_key = stack.enter_context(_openssh(folder, port, options))
            url = f"sftp://root@127.0.0.1:{port}{base}"
            legacy = LegacySettings(url=url, password_file=password, host_key=host_key)
        elif kind == "ftp":
            stack.enter_context(_pyftpdlib(base, port, read_only=read_only))
            url = f"ftp://town@127.0.0.1:{port}"
            legacy = LegacySettings(url=url, password_file=password)
        else:
            denied = "" if renames else "cmds_denied=RNFR,RNTO\n"
            shown = stack.enter_context(
                _vsftpd(folder, base, port, read_only=read_only, more=denied)
            )
            url = f"ftps://anonymous@127.0.0.1:{port}{base}"
            legacy = LegacySettings(url=url, password_file=password, certificate=shown)
        yield OldServer(kind=kind, base=base, url=url, legacy=legacy)


def secret(path: Path, text: str) -> Path:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path


@contextmanager
def _openssh(folder: Path, port: int, options: str) -> Iterator[str]:
    """Run OpenSSH's own server, with a password of ours for root: that takes a mount of its own."""
    program = require_program("sshd", also="/usr/sbin")
    if os.geteuid() != 0:
        miss("only root can give a server of the system a password")
    for kind in ("ed25519", "ecdsa", "rsa"):
        keygen = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(folder / f"key_{kind}")]
        subprocess.run([*keygen, *(["-b", "2048"] if kind == "rsa" else [])], check=True)
    secret(folder / "shadow", f"root:{_HASHED}:19000:0:99999:7:::\n")
    config = folder / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\n"
        + "".join(f"HostKey {folder}/key_{kind}\n" for kind in ("ed25519", "ecdsa", "rsa"))
        + "PermitRootLogin yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
        "PubkeyAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\nLogLevel ERROR\n"
        f"MaxStartups 100\nSubsystem sftp internal-sftp{options}\n"
    )
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    script = 'mount --bind "$1" /etc/shadow && shift && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", folder / "shadow"]
    command += [program, "-D", "-f", config, "-E", folder / "sshd.log"]
    with running(command) as process:
        if not listens(port, process):
            miss(f"no mount of its own is allowed here: {(folder / 'sshd.log').read_text()}")
        yield " ".join((folder / "key_ed25519.pub").read_text().split()[:2])


@contextmanager
def _pyftpdlib(base: Path, port: int, *, read_only: bool) -> Iterator[None]:
    logging.getLogger("pyftpdlib").setLevel(logging.CRITICAL)
    authorizer = DummyAuthorizer()
    authorizer.add_user("town", PASSWORD, str(base), perm="elr" if read_only else "elradfmwMT")

    class Handler(FTPHandler):  # type: ignore[misc]
        unicode_errors = "surrogateescape"
        auth_failed_timeout = 0

    Handler.authorizer = authorizer
    server = FTPServer(("127.0.0.1", port), Handler, ioloop=IOLoop())
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            server.serve_forever(timeout=0.05, blocking=False)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        server.close_all()


@contextmanager
def _vsftpd(folder: Path, base: Path, port: int, *, read_only: bool, more: str) -> Iterator[str]:
    """Run vsftpd, which wants TLS sessions taken up by data connections and knows no MLSD."""
    program = require_program("vsftpd", also="/usr/sbin")
    shown = make_certificate(folder / "vsftpd.pem")
    yes = {
        *("listen", "anonymous_enable", "anon_upload_enable", "anon_mkdir_write_enable"),
        *("anon_other_write_enable", "run_as_launching_user", "ssl_enable", "allow_anon_ssl"),
        *("force_anon_logins_ssl", "force_anon_data_ssl", "require_ssl_reuse"),
    }
    no = {"background", "anon_world_readable_only", "xferlog_enable", "seccomp_sandbox"}
    (no if read_only else yes).add("write_enable")
    config = folder / "vsftpd.conf"
    config.write_text(
        "".join(f"{name}=YES\n" for name in yes)
        + "".join(f"{name}=NO\n" for name in no)
        + f"listen_address=127.0.0.1\nlisten_port={port}\nanon_root={base}\nanon_umask=022\n"
        f"rsa_cert_file={folder}/vsftpd.pem\nsecure_chroot_dir={folder}\n"
        f"vsftpd_log_file={folder}/vsftpd.log\n{more}"
    )
    config.chmod(0o600)
    with running([program, config], stdout=subprocess.DEVNULL) as process:
        assert listens(port, process), "vsftpd does not start"
        yield shown


def make_certificate(path: Path) -> str:
    """Write a key and its own certificate into a file; return the certificate's fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old-mailbox.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.touch(mode=0o600)
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return f"SHA256:{certificate.fingerprint(hashes.SHA256()).hex()}"


class Relay:
    """Stands between a client and a server, and can cut them off or let them wait."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        self.refuses = False
        self.lets: int | None = None
        """So many more connections are let through, and then none."""
        self._open: list[socket.socket] = []
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections that there are."""
        while self._open:
            sock = self._open.pop()
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """Let nothing through any more."""
        self._flows.clear()

    def close(self) -> None:
        """End all."""
        self._listener.close()
        self._flows.set()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuses or self.lets == 0:
                client.close()
                continue
            if self.lets is not None:
                self.lets -= 1
            server = socket.create_connection(("127.0.0.1", self._to))
            self.connections += 1
            self._open += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while chunk := source.recv(1 << 16):
                self._flows.wait()
                target.sendall(chunk)
        except OSError:
            pass
        finally:
            for sock in (source, target):
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
