"""Clients of the doors: the programs that people use, and two libraries. Each does one thing.

`cut_off` returns a process that is in the middle of an upload and never gets to its end.
"""

import ftplib
import io
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import paramiko

from tests.door_rig import PASSWORD, USER, user_key
from tests.programs import require_program

SLOW = 60_000
"""Bytes a second of an upload that is to be cut off."""

_SSH = [
    "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
    "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-F", "none",
]  # fmt: skip


class Client(Protocol):
    """The round of a legacy client; folders and names are the client's own words."""

    protocol: str

    def names(self, folder: str) -> list[str]: ...
    def fetch(self, path: str) -> bytes: ...
    def delete(self, path: str) -> None: ...
    def put(self, path: str, data: bytes) -> None: ...
    def put_and_rename(self, path: str, to: str, data: bytes) -> None: ...
    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]": ...


class Library:
    """What both libraries share: an upload in a process that stops half-way."""

    def __init__(self, protocol: str, port: int) -> None:
        self.protocol, self.port = protocol, port

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        script = textwrap.dedent("""
            import sys
            from tests.door_clients import FtplibClient, ParamikoClient
            kind, protocol, port, path = sys.argv[1:]
            client = globals()[kind](protocol, int(port))
            client.put_half(path, sys.stdin.buffer.read())
        """)
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                script,
                type(self).__name__,
                self.protocol,
                str(self.port),
                path,
            ],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
        )
        assert process.stdin is not None
        process.stdin.write(data)
        process.stdin.close()
        return process


class ParamikoClient(Library):
    """paramiko as a client."""

    @contextmanager
    def session(self) -> Any:
        transport = paramiko.Transport(("127.0.0.1", self.port))
        with closing(transport):
            transport.connect(username=USER, password=PASSWORD)
            client = paramiko.SFTPClient.from_transport(transport)
            assert client is not None
            yield client

    def names(self, folder: str) -> list[str]:
        with self.session() as sftp:
            return sorted(sftp.listdir(folder))

    def fetch(self, path: str) -> bytes:
        with self.session() as sftp, sftp.open(path) as file:
            return file.read()

    def delete(self, path: str) -> None:
        with self.session() as sftp:
            sftp.remove(path)

    def put(self, path: str, data: bytes) -> None:
        with self.session() as sftp:
            sftp.putfo(io.BytesIO(data), path)

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        with self.session() as sftp:
            sftp.putfo(io.BytesIO(data), path)
            sftp.rename(path, to)

    def put_half(self, path: str, data: bytes) -> None:
        with self.session() as sftp:
            file = sftp.open(path, "wb")
            file.write(data[: len(data) // 2])
            file.flush()
            signal.pause()


class FtplibClient(Library):
    """ftplib of the standard library."""

    @contextmanager
    def session(self) -> Any:
        with ftplib.FTP() as ftp:
            ftp.connect("127.0.0.1", self.port, timeout=30)
            ftp.login(USER, PASSWORD)
            yield ftp

    def names(self, folder: str) -> list[str]:
        with self.session() as ftp:
            ftp.cwd(folder)
            return sorted(ftp.nlst())

    def fetch(self, path: str) -> bytes:
        data = io.BytesIO()
        with self.session() as ftp:
            ftp.retrbinary(f"RETR {path}", data.write)
        return data.getvalue()

    def delete(self, path: str) -> None:
        with self.session() as ftp:
            ftp.delete(path)

    def put(self, path: str, data: bytes) -> None:
        with self.session() as ftp:
            ftp.storbinary(f"STOR {path}", io.BytesIO(data))

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        with self.session() as ftp:
            ftp.storbinary(f"STOR {path}", io.BytesIO(data))
            ftp.rename(path, to)

    def put_half(self, path: str, data: bytes) -> None:
        with self.session() as ftp:
            channel = ftp.transfercmd(f"STOR {path}")
            channel.sendall(data[: len(data) // 2])
            signal.pause()


class Program:
    """A client program; files go through a folder of its own."""

    program = ""

    def __init__(self, protocol: str, port: int, folder: Path) -> None:
        self.protocol, self.port, self.folder = protocol, port, folder
        self.path = require_program(self.program)
        self.environment = os.environ | {"HOME": str(folder), "LC_ALL": "C.UTF-8"}

    def run(self, *command: str, stdin: str = "") -> str:
        done = subprocess.run(
            command,
            input=stdin.encode(),
            capture_output=True,
            check=False,
            timeout=60,
            cwd=self.folder,
            env=self.environment,
        )
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
        return done.stdout.decode()

    def begin(self, *command: str, stdin: str = "") -> "subprocess.Popen[bytes]":
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
        process.stdin.write(stdin.encode())
        process.stdin.flush()
        return process

    def local(self, data: bytes = b"") -> Path:
        path = self.folder / "local file"
        path.write_bytes(data)
        return path


class Openssh(Program):
    """OpenSSH's sftp, with a key."""

    program = "sftp"

    def command(self, *options: str) -> list[str]:
        key = str(user_key()[0])
        return [self.path, *_SSH, "-P", str(self.port), "-i", key, *options, f"{USER}@127.0.0.1"]

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
        return self.begin(*command, stdin=f'put "{self.local(data)}" "{path}"\n')


class Lftp(Program):
    """lftp, over SFTP and FTP, with a password."""

    program = "lftp"

    def command(self, *lines: str) -> list[str]:
        ssh = " ".join(["ssh", "-a", "-x", *[word for word in _SSH if word != "BatchMode=yes"]])
        ssh = ssh.replace("-o -o", "-o")
        script = [
            "set cmd:fail-exit yes",
            "set net:max-retries 1",
            "set net:timeout 20",
            f'set sftp:connect-program "{ssh}"',
            "set ftp:ssl-allow no",
            f'open -u "{USER},{PASSWORD}" -p {self.port} {self.protocol}://127.0.0.1',
            *lines,
        ]
        return [self.path, "-c", "; ".join(script)]

    def names(self, folder: str) -> list[str]:
        return sorted(self.run(*self.command(f"cd {folder}", "cls -1")).splitlines())

    def fetch(self, path: str) -> bytes:
        local = self.local()
        self.run(*self.command("set xfer:clobber yes", f'get "{path}" -o "{local}"'))
        return local.read_bytes()

    def delete(self, path: str) -> None:
        self.run(*self.command(f'rm "{path}"'))

    def put(self, path: str, data: bytes) -> None:
        self.run(*self.command(f'put "{self.local(data)}" -o "{path}"'))

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        self.run(*self.command(f'put "{self.local(data)}" -o "{path}"', f'mv "{path}" "{to}"'))

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        slow = f"set net:limit-rate {SLOW}"
        return self.begin(*self.command(slow, f'put "{self.local(data)}" -o "{path}"'))


class Curl(Program):
    """curl, with a password."""

    program = "curl"
    words = {  # noqa: RUF012
        "ftp": ("-DELE {0}", "-RNFR {0}", "-RNTO {1}"),
        "sftp": ("-rm '{0}'", "-rename '{0}' '{1}'"),
    }

    def command(self, *options: str, path: str = "/") -> list[str]:
        # After `sftp://host` a path is one from the root, as with ftp when it begins with %2F.
        url = f"{self.protocol}://127.0.0.1:{self.port}{quote(path)}"
        return [self.path, "-sS", "-k", "-m", "60", "-u", f"{USER}:{PASSWORD}", *options, url]

    def quotes(self, kind: int, *paths: str) -> list[str]:
        words = self.words[self.protocol]
        chosen = words[:1] if kind == 0 else words[1:]
        return [part for word in chosen for part in ("-Q", word.format(*paths))]

    def names(self, folder: str) -> list[str]:
        found = self.run(*self.command("--list-only", path=f"/{folder.strip('/')}/"))
        return sorted(set(found.splitlines()) - {".", ".."})

    def fetch(self, path: str) -> bytes:
        local = self.local()
        self.run(*self.command("-o", str(local), path=path))
        return local.read_bytes()

    def delete(self, path: str) -> None:
        self.run(*self.command("-o", "/dev/null", *self.quotes(0, path)))

    def put(self, path: str, data: bytes) -> None:
        self.run(*self.command("-T", str(self.local(data)), path=path))

    def put_and_rename(self, path: str, to: str, data: bytes) -> None:
        options = ["-T", str(self.local(data)), *self.quotes(1, path, to)]
        self.run(*self.command(*options, path=path))

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        options = ["--limit-rate", str(SLOW), "-T", str(self.local(data))]
        return self.begin(*self.command(*options, path=path))


ROUNDS: dict[str, tuple[str, Any]] = {
    "paramiko": ("sftp", ParamikoClient),
    "OpenSSH": ("sftp", Openssh),
    "lftp over SFTP": ("sftp", Lftp),
    "curl over SFTP": ("sftp", Curl),
    "ftplib": ("ftp", FtplibClient),
    "lftp over FTP": ("ftp", Lftp),
    "curl over FTP": ("ftp", Curl),
}
"""Every client that does the whole round: its protocol and its class."""


def make_client(name: str, port: int, folder: Path) -> Client:
    """Return a client that is ready to connect."""
    protocol, kind = ROUNDS[name]
    if issubclass(kind, Library):
        return kind(protocol, port)
    return kind(protocol, port, folder)
