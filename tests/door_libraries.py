"""Python's libraries as clients: paramiko, and ftplib with and without TLS.

Tests of single corners use them where they are (`session`). As a script each does one step in a
process of its own, quickly started because nothing else of ours is imported here:
`python door_libraries.py CLASS PROTOCOL PORT PASSWORD STEP PATH…`.
"""

import ftplib
import io
import json
import signal
import ssl
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import Any

import paramiko

USER, PASSWORD = "rcf", "correct horse"
"""Who logs in, in all tests of the doors."""


class Library:
    """What the libraries share: an upload in a process that stops half-way."""

    def __init__(self, protocol: str, port: int, password: str = PASSWORD) -> None:
        self.protocol, self.port, self.password = protocol, port, password

    def cut_off(self, path: str, data: bytes) -> "subprocess.Popen[bytes]":
        """Begin an upload in a process of its own, which stops half-way and stays."""
        command = command_of(self, "put_half", path)
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
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
            transport.connect(username=USER, password=self.password)
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

    def version(self) -> str:
        return paramiko.__version__


class FtplibClient(Library):
    """ftplib of the standard library."""

    def connect(self) -> ftplib.FTP:
        return ftplib.FTP()

    @contextmanager
    def session(self) -> Any:
        with self.connect() as ftp:
            ftp.connect("127.0.0.1", self.port, timeout=30)
            ftp.login(USER, self.password)
            if isinstance(ftp, ftplib.FTP_TLS):
                ftp.prot_p()
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

    def version(self) -> str:
        return "Python {}.{}".format(*sys.version_info)


class FtpTlsClient(FtplibClient):
    """ftplib with TLS on both connections; the server's certificate is not looked at."""

    def connect(self) -> ftplib.FTP:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return ftplib.FTP_TLS(context=context)


def command_of(client: Library, *words: str) -> list[str]:
    """Return the command that does a step with such a client in a process of its own."""
    about = (type(client).__name__, client.protocol, str(client.port), client.password)
    return [sys.executable, __file__, *about, *words]


def main(kind: str, protocol: str, port: str, password: str, step: str, *paths: str) -> None:
    """Do one step; data comes from standard input, and what is found goes to standard output."""
    client = globals()[kind](protocol, int(port), password)
    data = [sys.stdin.buffer.read()] if step.startswith("put") else []
    found = getattr(client, step)(*paths, *data)
    if isinstance(found, list):
        found = json.dumps(found).encode()
    if found is not None:
        sys.stdout.buffer.write(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
