"""An old mailbox over FTP, in the clear or encrypted (`ftps://`: explicit TLS)."""

import ftplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from bridge.errors import OldMailboxRefusedError
from bridge.feeds.legacy.address import Address
from bridge.feeds.legacy.entries import FileTroubleError, Kind, Row, Why, joined, shown
from bridge.feeds.legacy.ftp_listing import (
    ListingError,
    parse_facts,
    parse_facts_list,
    parse_list,
    parse_time,
)
from bridge.feeds.legacy.ftp_wire import CertificateError, FtpTlsWire, FtpWire
from bridge.feeds.legacy.lines import Patience
from bridge.feeds.legacy.troubles import network, text_of
from bridge.feeds.legacy.watch import Watch

MOST_LISTED = 1 << 28
"""Bytes of one listing: a million names and more."""


class FtpLine:
    """Reads over FTP."""

    def __init__(
        self, address: Address, *, certificate: str, password: str, patience: Patience
    ) -> None:
        self._address = address
        self._certificate = certificate
        self._password = password
        self._patience = patience
        self._open: FtpWire | None = None
        self._watch: Watch | None = None
        self._features: frozenset[str] = frozenset()
        self._tells_size = False
        self._base = b""

    def __repr__(self) -> str:
        return f"FtpLine({self._address.url})"

    @property
    def where(self) -> str:
        """What and where this is, for messages."""
        return f"the old mailbox {self._address.url}"

    def connect(self) -> None:
        """Connect and log in; raises OldMailboxRefusedError for a certificate or a password."""
        self.close()
        self._open = self._new_wire()
        self._watch = Watch(self._open.cut)
        try:
            with self._asked("connect"):
                self._wire.connect(self._address.host, self._address.port)
                self._secure()
            with self._asked(f"log in as {self._address.user!r}"):
                self._log_in()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        if self._watch is not None:
            self._watch.end()
        if self._open is not None:
            self._open.close()
        self._watch = self._open = None

    def rows(self, folder: bytes) -> list[Row]:
        """List a folder, in any order."""
        with self._asked(f"list {shown(folder) or 'it'}"):
            self._wire.cwd(_text(self._at(folder)))
            if self._has_facts:
                return list(parse_facts_list(self._lines("MLSD")))
            return list(parse_list(self._lines("LIST")))

    def look(self, path: bytes) -> Row | None:
        """Return what a path is; None if nothing is there."""
        with self._asked(f"look at {shown(path)}"):
            if self._has_facts:
                return self._facts(path)
            return self._size(path)

    def read(self, path: bytes, *, size: int | None, most: int) -> tuple[bytes, datetime | None]:
        """Return a file's bytes, and its time where no listing has it."""
        with self._asked(f"read {shown(path)}"):
            try:
                content = self._wire.receive(f"RETR {_text(self._at(path))}", most=most)
            except ftplib.error_perm:
                if self.look(path) is None:
                    reason = f"{self.where}: {shown(path)}: it is not there any more"
                    raise FileTroubleError(reason, why=Why.GONE) from None
                raise
            return content, None if self._has_facts else self._time(path)

    @property
    def _wire(self) -> FtpWire:
        assert self._open is not None, "the line is not connected"
        return self._open

    @property
    def _has_facts(self) -> bool:
        return "MLST" in self._features

    def _at(self, path: bytes) -> bytes:
        return joined(self._base, path) if path else self._base

    @contextmanager
    def _asked(self, what: str, *, writing: bool = False) -> Iterator[None]:
        assert self._watch is not None
        with network(self.where, what, writing=writing), self._watch.within(self._patience.whole):
            yield

    def _new_wire(self) -> FtpWire:
        if self._address.scheme == "ftp":
            return FtpWire(self._patience.silence)
        return FtpTlsWire(self._patience.silence, certificate=self._certificate)

    def _secure(self) -> None:
        try:
            self._wire.secure()
        except ssl.SSLCertVerificationError as error:
            place = f"{self._address.host}:{self._address.port}"
            raise OldMailboxRefusedError(
                f"{self.where}: its certificate cannot be trusted: {error.verify_message}. Let "
                "whoever runs it mend that, or compare its fingerprint with them and put it into "
                f"certificate of [account.legacy]: `openssl s_client -starttls ftp -connect {place}"
                " </dev/null | openssl x509 -noout -fingerprint -sha256` shows it"
            ) from error
        except CertificateError as error:
            raise OldMailboxRefusedError(
                f"{self.where}: this is not the server that certificate names: it shows "
                f"{error.shown}. Ask whoever runs it whether its certificate was changed; nothing "
                "was sent to it"
            ) from error
        except ftplib.error_perm as error:
            raise OldMailboxRefusedError(
                f"{self.where}: it does not encrypt: {text_of(error)}. With ftp:// the password "
                "and the invoices can be read by whoever listens on the way"
            ) from error

    def _log_in(self) -> None:
        wire = self._wire
        try:
            wire.login(self._address.user, self._password)
        except ftplib.error_perm as error:
            raise OldMailboxRefusedError(
                f"{self.where}: it does not let the user {self._address.user!r} in: "
                f"{text_of(error)}: look at the address and at password_file in [account.legacy]"
            ) from error
        wire.secure_data()
        self._features = wire.features()
        if "UTF8" in self._features:
            with suppress(ftplib.error_perm):  # then names come as they come
                wire.sendcmd("OPTS UTF8 ON")
        wire.voidcmd("TYPE I")
        folder = self._address.folder
        self._base = folder if folder.startswith(b"/") else self._home(folder)

    def _home(self, folder: bytes) -> bytes:
        home = self._wire.pwd().encode("latin-1")
        return joined(home, folder) if folder else home

    def _lines(self, command: str) -> list[bytes]:
        listing = self._wire.receive(command, most=MOST_LISTED)
        if len(listing) > MOST_LISTED:
            raise ListingError(f"a listing of more than {MOST_LISTED:,} bytes")
        return [line.rstrip(b"\r") for line in listing.split(b"\n") if line.strip()]

    def _facts(self, path: bytes) -> Row | None:
        try:
            answer = self._wire.sendcmd(f"MLST {_text(self._at(path))}")
        except ftplib.error_perm as error:
            if str(error).startswith("550"):
                return None
            raise
        line = answer.split("\n")[1].encode("latin-1")
        return parse_facts(line, name=path.rpartition(b"/")[2])

    def _size(self, path: bytes) -> Row | None:
        """Ask for a file's size: a server without MLST has no better way to say that it is there.

        One that tells no size at all would make every file seem gone: then its folder is listed.
        """
        name = path.rpartition(b"/")[2]
        try:
            size = self._wire.size(_text(self._at(path)))
        except ftplib.error_perm:
            if self._is_folder(path):
                return Row(name=name, kind=Kind.FOLDER)
            return None if self._tells_size else self._listed(path)
        self._tells_size = True
        return Row(name=name, kind=Kind.FILE, size=size)

    def _is_folder(self, path: bytes) -> bool:
        try:
            self._wire.cwd(_text(self._at(path)))
        except ftplib.error_perm:
            return False
        return True

    def _listed(self, path: bytes) -> Row | None:
        folder, _, name = path.rpartition(b"/")
        if not self._is_folder(folder):
            return None
        return next((row for row in parse_list(self._lines("LIST")) if row.name == name), None)

    def _time(self, path: bytes) -> datetime | None:
        try:
            answer = self._wire.sendcmd(f"MDTM {_text(self._at(path))}")
        except ftplib.error_perm:
            return None
        return parse_time(answer[4:].strip())


class WritableFtpLine(FtpLine):
    """Reads and writes over FTP."""

    def write(self, path: bytes, content: bytes) -> None:
        """Write a file, over what was there."""
        with self._asked(f"write {shown(path)}", writing=True):
            self._wire.send(f"STOR {_text(self._at(path))}", content)

    def rename(self, old: bytes, new: bytes) -> None:
        """Give a file another path, in one step."""
        with self._asked(f"rename {shown(old)} to {shown(new)}", writing=True):
            self._wire.rename(_text(self._at(old)), _text(self._at(new)))

    def remove(self, path: bytes) -> None:
        """Remove a file; one that is not there is no error."""
        with self._asked(f"remove {shown(path)}", writing=True):
            try:
                self._wire.voidcmd(f"DELE {_text(self._at(path))}")
            except ftplib.error_perm:
                if self.look(path) is not None:
                    raise

    def make_folder(self, path: bytes) -> None:
        """Make a folder; one that is there is no error."""
        with self._asked(f"make the folder {shown(path)}", writing=True):
            try:
                self._wire.voidcmd(f"MKD {_text(self._at(path))}")
            except ftplib.error_perm:
                if self.look(path) is None:
                    raise


def _text(path: bytes) -> str:
    """Return a path as it is sent; raises FileTroubleError for one that would end the command."""
    if b"\r" in path or b"\n" in path:
        reason = f"{shown(path)!r}: FTP cannot name a file with the end of a line in its name"
        raise FileTroubleError(reason, why=Why.UNREADABLE)
    return path.decode("latin-1")
