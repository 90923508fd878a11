"""Whether the doors can open: their ports, host keys, certificate and algorithms."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import paramiko

from bridge.doctor.finding import Finding, Verdict, finding
from bridge.durable import is_locked
from bridge.errors import BridgeError, StorageError
from bridge.facade.algorithms import EXTRA, legacy_algorithms_available
from bridge.facade.hostkeys import load_host_keys
from bridge.settings import FtpSettings, Settings, SftpSettings, WebSettings


def examine_doors(settings: Settings) -> Iterator[Finding]:
    """Look at what each listener that is switched on needs."""
    serving = is_locked(settings.data_dir / "locks" / "serve")
    listeners: dict[str, SftpSettings | FtpSettings | WebSettings] = {
        "sftp": settings.sftp,
        "ftp": settings.ftp,
        "web": settings.web,
    }
    for name, listener in listeners.items():
        if listener.enabled:
            port = partial(_port, listener.host, listener.port, serving=serving)
            yield finding(f"{name} port", port)
    if settings.sftp.enabled and settings.sftp.legacy_algorithms:
        yield _legacy_algorithms()
    if settings.ftp.enabled and settings.ftp.tls != "off":
        yield _tls(settings.ftp)


def _port(host: str, port: int, *, serving: bool) -> str:
    with _socket(host) as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE and serving:
                return f"{host}:{port} is in use: `efact-bridge serve` is running"
            raise StorageError(
                f"{host}:{port} cannot be used: {error.strerror}; is another program there?"
            ) from error
    return f"{host}:{port} is free"


@contextmanager
def _socket(host: str) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield probe


def host_keys(folder: Path) -> str:
    """Load the host keys, or make them; return their fingerprints. Raises one of our errors."""
    keys = load_host_keys(folder)
    prints = ", ".join(f"{key.get_name()} {key.fingerprint}" for key in keys)
    return f"{folder}: {prints}"


def _legacy_algorithms() -> Finding:
    what = "sftp legacy algorithms"
    if legacy_algorithms_available():
        return Finding(
            what,
            Verdict.WARNING,
            "on: old clients can log in, with cryptography that is no longer considered safe",
        )
    return Finding(
        what,
        Verdict.FAILED,
        "legacy_algorithms = true cannot be honoured with the paramiko that is installed "
        f"({paramiko.__version__}), but for old ciphers and MACs: install {EXTRA}, let the client "
        "use FTP on loopback or a VPN, or put OpenSSH in front of the mailbox folders",
    )


def _tls(ftp: FtpSettings) -> Finding:
    what = "ftp certificate"
    assert ftp.certificate is not None
    assert ftp.private_key is not None
    try:
        from bridge.facade.ftp_tls import others_can_read, tls_context  # noqa: PLC0415  (an extra)
    except ImportError:
        advice = 'needs pyOpenSSL: install the extra ftps (pip install "efact-bridge[ftps]")'
        return Finding(what, Verdict.FAILED, f'tls = "{ftp.tls}" {advice}')
    try:
        tls_context(ftp.certificate, ftp.private_key, oldest=ftp.min_tls)
    except BridgeError as error:
        return Finding(what, Verdict.FAILED, str(error))
    if others_can_read(ftp.private_key):
        said = f"others can read {ftp.private_key}: run `chmod o-rwx {ftp.private_key}`"
        return Finding(what, Verdict.WARNING, said)
    if ftp.old_tls:
        said = f'min_tls = "{ftp.min_tls}" lets in TLS that is no longer considered safe'
        return Finding(what, Verdict.WARNING, said)
    return Finding(what, Verdict.OK, f"{ftp.certificate}: TLS {ftp.min_tls} or newer")
