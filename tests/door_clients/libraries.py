"""Python's libraries as clients, each step in a process of its own."""

import json
import subprocess
import sys
from typing import Any

from tests.door_clients.program import Program
from tests.door_libraries import (
    FtplibClient,
    FtpTlsClient,
    Library,
    ParamikoClient,
    command_of,
)


class InItsOwnProcess(Program):
    """A library in a process of its own."""

    library: type[Library]
    program = sys.executable

    def names(self, folder: str) -> list[str]:
        found: list[str] = json.loads(self.run(*self.command("names", folder)))
        return found

    def fetch(self, path: str) -> bytes:
        return self.output(*self.command("fetch", path))

    def delete(self, path: str) -> None:
        self.run(*self.command("delete", path))

    def put(self, path: str, data: bytes) -> None:
        self.run(*self.command("put", path), stdin=data)

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        self.run(*self.command("put_and_rename", path, to), stdin=data)

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        return self.client().cut_off(path, data)

    def version(self) -> str:
        return self.client().version()

    def client(self) -> Any:
        return self.library(self.protocol, self.port, self.password)

    def command(self, *words: str) -> list[str]:
        return command_of(self.client(), *words)


class Paramiko(InItsOwnProcess):
    """paramiko in its own process."""

    library = ParamikoClient


class Ftplib(InItsOwnProcess):
    """ftplib in its own process."""

    library = FtplibClient


class FtplibTls(InItsOwnProcess):
    """ftplib with TLS in its own process."""

    library = FtpTlsClient
