"""Programs that speak FTP only: ncftp and tnftp (the `ftp` of the BSDs and of macOS)."""

import re
import subprocess
from urllib.parse import quote

from tests.door_clients.program import SLOW, ClientError, Program
from tests.door_rig import USER

_A_NO = re.compile(r"^[45]\d\d ", re.MULTILINE)


class Ncftp(Program):
    """ncftp with its small commands for single tasks."""

    program = "ncftp"

    def command(self, program: str, *options: str) -> list[str]:
        login = ["-u", USER, "-p", self.password, "-P", str(self.port)]
        return [program, *login, *options]

    def names(self, folder: str) -> list[str]:
        url = f"ftp://127.0.0.1/{quote(folder.strip('/'))}/"
        return sorted(self.run(*self.command("ncftpls", "-1", url)).splitlines())

    def fetch(self, path: str) -> bytes:
        local = self.local()
        self.run(*self.command("ncftpget", "-C", "127.0.0.1", path, str(local)))
        return local.read_bytes()

    def delete(self, path: str) -> None:
        """Delete with ncftp itself, which says a no and ends with 0."""
        said = self.run(*self.command("ncftp", "127.0.0.1"), stdin=f'rm "{path}"\n')
        if f"delete {path}:" in said:
            raise ClientError(said)

    def put(self, path: str, data: bytes) -> None:
        self.run(*self.command("ncftpput", "-C", "127.0.0.1", str(self.local(data)), path))

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        """Use its own way to upload under another name first."""
        ending = path.removeprefix(to)
        options = ["-S", ending, "-C", "127.0.0.1", str(self.local(data)), to]
        self.run(*self.command("ncftpput", *options))

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        """Upload from standard input, which does not end."""
        command = self.command("ncftpput", "-c", "127.0.0.1", path)
        return self.begin(*command, stdin=data[: len(data) // 2])

    def version(self) -> str:
        return self.package("ncftp")


class Tnftp(Program):
    """tnftp, told what to do line by line."""

    program = "tnftp"

    def command(self) -> list[str]:
        return [self.path, "-n", "-i", "-v", "-P", str(self.port), "127.0.0.1"]

    def script(self, *lines: str) -> str:
        return "\n".join([f'user {USER} "{self.password}"', *lines, ""])

    def tell(self, *lines: str) -> str:
        said = self.run(*self.command(), stdin=self.script(*lines))
        if no := _A_NO.search(said):
            raise ClientError(said[no.start() :])
        return said

    def names(self, folder: str) -> list[str]:
        local = self.local()
        self.tell(f'cd "{folder}"', f'nlist . "{local}"')
        return sorted(local.read_text().splitlines())

    def fetch(self, path: str) -> bytes:
        local = self.local()
        self.tell(f'get "{path}" "{local}"')
        return local.read_bytes()

    def delete(self, path: str) -> None:
        self.tell(f'delete "{path}"')

    def put(self, path: str, data: bytes) -> None:
        self.tell(f'put "{self.local(data)}" "{path}"')

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        self.tell(f'put "{self.local(data)}" "{path}"', f'rename "{path}" "{to}"')

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        script = self.script(f"rate put {SLOW}", f'put "{self.local(data)}" "{path}"')
        return self.begin(*self.command(), stdin=script.encode())

    def version(self) -> str:
        return self.package("tnftp")
