"""Where an old mailbox is: the address of the settings, taken apart."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes, urlsplit

_PORTS = {"sftp": 22, "ftp": 21, "ftps": 21, "file": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`folder` is empty where the login lands in the mailbox, as it did at the old hub."""

    url: str
    scheme: str
    host: str
    port: int
    user: str
    folder: bytes

    @property
    def path(self) -> Path:
        """The folder of a `file://` address."""
        return Path(self.folder.decode("utf-8", "surrogateescape"))


def parse_address(url: str) -> Address:
    """Return the parts of an address that the settings have approved.

    `/` is the folder in which the login lands, `/a/b` that very folder of the server, and
    `/~/a` the folder `a` below the one in which the login lands.
    """
    parts = urlsplit(url)
    folder = unquote_to_bytes(parts.path)
    if parts.scheme != "file":
        folder = _of_login(folder)
    return Address(
        url=url,
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        folder=folder,
    )


def _of_login(path: bytes) -> bytes:
    if path == b"/~" or path.startswith(b"/~/"):
        return path[3:].rstrip(b"/")
    return path.rstrip(b"/")
