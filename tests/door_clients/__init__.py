"""Clients of the doors: the programs and libraries that people use, each as a class.

program              what they share
libraries            paramiko and ftplib, which stand in `tests/door_libraries.py`
sftp_programs        OpenSSH's sftp, psftp
ftp_programs         ncftp, tnftp
both_programs        lftp, curl, rclone
jsch                 JSch, for Java
"""

from pathlib import Path

from tests.door_clients.both_programs import Curl, Lftp, Rclone
from tests.door_clients.ftp_programs import Ncftp, Tnftp
from tests.door_clients.jsch import Jsch
from tests.door_clients.libraries import Ftplib, FtplibTls, Paramiko
from tests.door_clients.program import Client, ClientError, Program
from tests.door_clients.sftp_programs import Openssh, OpensshWithPassword, Psftp
from tests.door_libraries import FtplibClient, FtpTlsClient, ParamikoClient

__all__ = [
    "ROUNDS",
    "Client",
    "ClientError",
    "Curl",
    "FtpTlsClient",
    "FtplibClient",
    "Lftp",
    "ParamikoClient",
    "make_client",
]

ROUNDS: dict[str, tuple[str, type[Program]]] = {
    "OpenSSH": ("sftp", Openssh),
    "OpenSSH with a password": ("sftp", OpensshWithPassword),
    "psftp": ("sftp", Psftp),
    "lftp over SFTP": ("sftp", Lftp),
    "curl over SFTP": ("sftp", Curl),
    "rclone over SFTP": ("sftp", Rclone),
    "paramiko": ("sftp", Paramiko),
    "JSch": ("sftp", Jsch),
    "lftp over FTP": ("ftp", Lftp),
    "curl over FTP": ("ftp", Curl),
    "rclone over FTP": ("ftp", Rclone),
    "ncftp": ("ftp", Ncftp),
    "tnftp": ("ftp", Tnftp),
    "ftplib": ("ftp", Ftplib),
    "lftp over FTPS": ("ftps", Lftp),
    "curl over FTPS": ("ftps", Curl),
    "rclone over FTPS": ("ftps", Rclone),
    "ftplib over FTPS": ("ftps", FtplibTls),
}
"""Every client that does the whole round: its protocol and its class."""


def make_client(name: str, port: int, folder: Path) -> Client:
    """Return a client that is ready to connect."""
    protocol, kind = ROUNDS[name]
    return kind(protocol, port, folder)
