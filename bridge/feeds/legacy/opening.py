"""An old mailbox by its settings: to be read, or, made apart from that, to be written to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.feeds.legacy.address import parse_address
from bridge.feeds.legacy.folder import FolderLine, WritableFolderLine
from bridge.feeds.legacy.ftp import FtpLine, WritableFtpLine
from bridge.feeds.legacy.lines import PATIENCE, Line, Patience, WritableLine
from bridge.feeds.legacy.reader import OldMailboxReader
from bridge.feeds.legacy.sftp import SftpLine, WritableSftpLine
from bridge.feeds.legacy.writer import OldMailboxWriter
from bridge.naming import Profile
from bridge.settings import LegacySettings, read_secret_file


@contextmanager
def open_reader(
    legacy: LegacySettings, profile: Profile, *, patience: Patience = PATIENCE
) -> Iterator[OldMailboxReader]:
    """Open an old mailbox for reading: what comes of it has no way to write.

    Raises SettingsError for a password file that cannot be used, OldMailboxAwayError,
    OldMailboxRefusedError.
    """
    reader = OldMailboxReader(_line(legacy, patience), profile)
    with _connected(reader):
        yield reader


@contextmanager
def open_writer(
    legacy: LegacySettings, profile: Profile, *, patience: Patience = PATIENCE
) -> Iterator[OldMailboxWriter]:
    """Open an old mailbox for reading and writing: for a serving feed, or a move."""
    writer = OldMailboxWriter(_writable_line(legacy, patience), profile)
    with _connected(writer):
        yield writer


def is_read_only(legacy: LegacySettings) -> bool:
    """Tell whether an old mailbox is known to take nothing, without trying.

    That is only known of a folder of this machine: servers tell when something is put there.
    """
    folder = own_folder(legacy)
    return folder is not None and not os.access(folder, os.W_OK)


def own_folder(legacy: LegacySettings) -> Path | None:
    """Return the folder of this machine that an old mailbox is, if it is one."""
    address = parse_address(legacy.url)
    return Path(address.path) if address.scheme == "file" else None


@contextmanager
def _connected(mailbox: OldMailboxReader) -> Iterator[None]:
    try:
        mailbox.connect()
        yield
    finally:
        mailbox.close()


def _line(legacy: LegacySettings, patience: Patience) -> Line:
    address = parse_address(legacy.url)
    if address.scheme == "file":
        return FolderLine(address.path)
    password = _password(legacy)
    if address.scheme == "sftp":
        return SftpLine(address, host_key=legacy.host_key, password=password, patience=patience)
    return FtpLine(address, certificate=legacy.certificate, password=password, patience=patience)


def _writable_line(legacy: LegacySettings, patience: Patience) -> WritableLine:
    address = parse_address(legacy.url)
    if address.scheme == "file":
        return WritableFolderLine(address.path)
    password = _password(legacy)
    if address.scheme == "sftp":
        return WritableSftpLine(
            address, host_key=legacy.host_key, password=password, patience=patience
        )
    return WritableFtpLine(
        address, certificate=legacy.certificate, password=password, patience=patience
    )


def _password(legacy: LegacySettings) -> str:
    return "" if legacy.password_file is None else read_secret_file(legacy.password_file)
