"""The SFTP door's host keys: made once, readable by nobody else, then kept for ever.

Ed25519, ECDSA and RSA: each is the only kind that some client can use.
"""

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bridge.errors import SettingsError, StorageError

_PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_KINDS: Mapping[str, tuple[Callable[..., paramiko.PKey], Callable[[], _PrivateKey]]] = {
    "ed25519": (paramiko.Ed25519Key, ed25519.Ed25519PrivateKey.generate),
    "ecdsa": (paramiko.ECDSAKey, lambda: ec.generate_private_key(ec.SECP256R1())),
    "rsa": (paramiko.RSAKey, lambda: rsa.generate_private_key(65537, 3072)),
}


def load_host_keys(folder: Path) -> list[paramiko.PKey]:
    """Return the host keys in a folder, making those that are missing.

    Raises StorageError where they cannot be written, SettingsError where one is broken or can be
    read by others.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return [_load(folder / f"ssh_host_{kind}_key", kind) for kind in _KINDS]
    except OSError as error:
        raise StorageError(
            f"{error.filename or folder}: the host keys cannot be read or written: {error.strerror}"
        ) from error


def _load(path: Path, kind: str) -> paramiko.PKey:
    key_class, generate = _KINDS[kind]
    if not path.exists():
        _store(path, generate())
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"{path}: others can read this host key: run `chmod 600 {path}`")
    try:
        return key_class(filename=str(path))
    except (paramiko.SSHException, ValueError) as error:
        raise SettingsError(
            f"{path}: this host key is broken: restore it, or delete it and tell the clients "
            "that the key changes"
        ) from error


def _store(path: Path, key: _PrivateKey) -> None:
    """Write a new key under a name of its own, then link it: whoever comes first has made it."""
    new = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
        os.link(new, path)
        path.with_name(f"{path.name}.pub").write_bytes(public + b"\n")
    except FileExistsError:
        pass  # another door made it meanwhile: that one counts
    finally:
        new.unlink()
