"""Programs that speak SFTP only: OpenSSH's sftp and PuTTY's psftp."""

import base64
import hashlib
import os
import subprocess
from pathlib import Path

from tests.door_clients.program import SLOW, Program
from tests.door_rig import USER, host_keys, user_key

SSH_OPTIONS = [
    "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
    "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-F", "none",
]  # fmt: skip


class Openssh(Program):
    """OpenSSH's sftp, with a key."""

    program = "sftp"

    def login(self) -> list[str]:
        return ["-o", "BatchMode=yes", "-i", str(user_key()[0])]

    def command(self, *options: str) -> list[str]:
        where = ["-P", str(self.port), *options, f"{USER}@127.0.0.1"]
        return [self.path, *SSH_OPTIONS, *self.login(), *where]

    def batch(self, *lines: str) -> str:
        return self.run(*self.command("-b", "-"), stdin="\n".join(lines))

    def names(self, folder: str) -> list[str]:
        lines = self.batch(f"cd {folder}", "ls -1").splitlines()
        return sorted(line for line in lines if not line.startswith("sftp>"))

    def fetch(self, path: str) -> bytes:
        local = self.local()
        self.batch(f'get -p "{path}" "{local}"')
        return local.read_bytes()

    def delete(self, path: str) -> None:
        self.batch(f'rm "{path}"')

    def put(self, path: str, data: bytes) -> None:
        self.batch(f'put -p "{self.local(data)}" "{path}"')

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        self.batch(f'put "{self.local(data)}" "{path}"', f'rename "{path}" "{to}"')

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        kilobits = SLOW * 8 // 1024
        command = self.command("-l", str(kilobits), "-b", "-")
        return self.begin(*command, stdin=f'put "{self.local(data)}" "{path}"\n'.encode())

    def version(self) -> str:
        return self.package("openssh-client")


class OpensshWithPassword(Openssh):
    """OpenSSH's sftp, with a password that a program of ours types in."""

    @property
    def environment(self) -> dict[str, str]:
        asked = self.folder / "askpass"
        asked.write_text(f'#!/bin/sh\necho "{self.password}"\n')
        asked.chmod(0o700)
        return super().environment | {"SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force"}

    def login(self) -> list[str]:
        # sftp -b means BatchMode, in which ssh asks for nothing; the first word on it counts.
        return ["-o", "BatchMode=no", "-o", "NumberOfPasswordPrompts=1"]


class Psftp(Program):
    """PuTTY's psftp, with a password."""

    program = "psftp"

    def command(self) -> list[str]:
        keys = [part for print_ in _fingerprints() for part in ("-hostkey", print_)]
        login = ["-batch", "-pw", self.password, *keys]
        where = ["-P", str(self.port), f"{USER}@127.0.0.1"]
        return [self.path, *login, "-b", "/dev/stdin", *where]

    def batch(self, *lines: str) -> str:
        return self.run(*self.command(), stdin="\n".join(lines))

    def names(self, folder: str) -> list[str]:
        lines = self.batch(f'cd "{folder}"', "ls").splitlines()
        rows = [line.split(maxsplit=8) for line in lines if line.startswith("-")]
        return sorted(row[8] for row in rows)

    def fetch(self, path: str) -> bytes:
        local = self.local()
        self.batch(f'get "{path}" "{local}"')
        return local.read_bytes()

    def delete(self, path: str) -> None:
        self.batch(f'rm "{path}"')

    def put(self, path: str, data: bytes) -> None:
        self.batch(f'put "{self.local(data)}" "{path}"')

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        self.batch(f'put "{self.local(data)}" "{path}"', f'mv "{path}" "{to}"')

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        """Upload from a pipe that gets half of the bytes and no end."""
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        process = self.begin(*self.command(), stdin=f'put "{pipe}" "{path}"\n'.encode())
        self.half = pipe.open("wb", buffering=0)  # kept open: its end would end the upload
        self.half.write(data[: len(data) // 2])
        return process

    def version(self) -> str:
        return self.package("putty-tools")


def _fingerprints() -> list[str]:
    lines = [path.read_text() for path in sorted(Path(host_keys()).glob("ssh_host_*_key.pub"))]
    digests = [hashlib.sha256(base64.b64decode(line.split()[1])).digest() for line in lines]
    return [f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}" for digest in digests]
