"""What all clients of the doors have in common: the round of a legacy client, step by step.

A client is a real program in a process of its own; each step is a session of its own, as old
software has it. `cut_off` returns a process that is in the middle of an upload and never gets to
its end.
"""

import os
import subprocess
from pathlib import Path
from typing import Protocol

from tests.door_rig import PASSWORD
from tests.programs import require_program

SLOW = 60_000
"""Bytes a second of an upload that is to be cut off."""


class ClientError(Exception):
    """The client ended with an error, or said that it could not do what it was told."""


class Client(Protocol):
    """The round of a legacy client; folders and names are the client's own words."""

    protocol: str
    password: str

    def names(self, folder: str) -> list[str]: ...
    def fetch(self, path: str) -> bytes: ...
    def delete(self, path: str) -> None: ...
    def put(self, path: str, data: bytes) -> None: ...
    def put_and_rename(self, path: str, to: str, data: bytes) -> None: ...
    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]": ...
    def version(self) -> str: ...


class Program:
    """A client program; files go through a folder of its own, which is its home as well."""

    program = ""

    def __init__(self, protocol: str, port: int, folder: Path) -> None:
        """`protocol` is `sftp`, `ftp` or `ftps` (FTP with explicit TLS)."""
        self.protocol, self.port, self.folder = protocol, port, folder
        self.password = PASSWORD
        self.path = require_program(self.program)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the program gets."""
        return os.environ | {"HOME": str(self.folder), "LC_ALL": "C.UTF-8"}

    def run(self, *command: str, stdin: str | bytes = b"") -> str:
        """Run a command to its end and return what it printed; ClientError when it fails."""
        return self.output(*command, stdin=stdin).decode()

    def output(self, *command: str, stdin: str | bytes = b"") -> bytes:
        """Do the same, and return the very bytes."""
        done = subprocess.run(
            command,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            check=False,
            timeout=60,
            cwd=self.folder,
            env=self.environment,
        )
        if done.returncode != 0:
            said = (done.stderr + done.stdout).decode(errors="replace")
            raise ClientError(f"{self.program} ended with {done.returncode}: {said}")
        return done.stdout

    def begin(self, *command: str, stdin: bytes = b"") -> "subprocess.Popen[bytes]":
        """Start a command and hand it some input, without an end."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env=self.environment,
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.flush()
        return process

    def package(self, name: str) -> str:
        """Return the version of the Debian package that the program came with, or nothing."""
        found = subprocess.run(
            ["dpkg-query", "-W", "-f", "${source:Upstream-Version}", name],
            capture_output=True,
            check=False,
            text=True,
        )
        return found.stdout if found.returncode == 0 else ""

    def local(self, data: bytes = b"") -> Path:
        """Return a file of the client's own machine."""
        path = self.folder / "local file"
        path.write_bytes(data)
        return path
