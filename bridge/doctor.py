"""`check`: everything that must be right before the bridge can work, one line each."""

import errno
import os
import pwd
import shutil
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import paramiko

from bridge.durable import lock, removed_unless_whole, storage, sync_folder, write_file
from bridge.errors import BridgeError, LedgerError, StorageError
from bridge.facade.algorithms import EXTRA, legacy_algorithms_available
from bridge.facade.hostkeys import load_host_keys
from bridge.feeds.legacy import open_reader
from bridge.hub import HubReader
from bridge.ledger import Ledger, pauses, visitors
from bridge.ledger.serving import in_words, of_settings, serving
from bridge.losing import changes
from bridge.naming import parse_profile
from bridge.settings import (
    AccountSettings,
    FtpSettings,
    LegacySettings,
    Settings,
    SftpSettings,
    WebSettings,
    is_loopback,
    read_profile,
)
from bridge.status.words import size

LITTLE_SPACE = 1 << 30
"""Bytes; with less than this free the disk deserves a warning."""

MOST_OFFSET = 30
"""Seconds by which the clocks differ when it deserves a warning."""


class Verdict(StrEnum):
    """What a finding means: the bridge can work, it can but look at this, it cannot."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's: what was looked at, what it means, and what was seen."""

    what: str
    verdict: Verdict
    said: str


def examine(settings: Settings, *, end_pause: bool = False) -> Iterator[Finding]:
    """Look at everything, one after the other; nothing is changed at the hub.

    With `end_pause`, the pause that a hub asked for is over if it answers.
    """
    yield Finding("settings", Verdict.OK, _accounts(settings))
    answered = []
    for own in settings.account:
        if (yield from _account(settings, own)):
            answered.append(own.name)
    yield from _doors(settings)
    if owner := _other_owner(settings.data_dir):
        yield Finding("user", Verdict.WARNING, owner)
        return
    if settings.sftp.enabled:
        yield _finding("sftp host keys", lambda: _host_keys(settings.data_dir / "host-keys"))
    yield _disk(settings.data_dir)
    yield _finding("ledger", lambda: _ledger(settings.data_dir))
    for own in settings.account:
        yield from _moved(settings.data_dir / "ledger.db", own)
        yield from _paused(
            settings.data_dir / "ledger.db",
            own,
            answered=own.name in answered,
            end_pause=end_pause,
        )
        yield from _clients(settings, own)


def _other_owner(data_dir: Path) -> str:
    """Say why root must not look further: what it makes there the service cannot write."""
    try:
        owner = data_dir.stat().st_uid
    except OSError:
        return ""
    if os.geteuid() != 0 or owner == 0:
        return ""
    user = _user_name(owner)
    return (
        f"{data_dir} belongs to {user}: host keys, disk and ledger were not looked at; run this "
        f"as the user of the service: `sudo -u {user} efact-bridge check …`"
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _accounts(settings: Settings) -> str:
    names = ", ".join(own.name for own in settings.account)
    return f"read; accounts: {names}"


def _finding(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, Verdict.OK, look())
    except BridgeError as error:
        return Finding(what, Verdict.FAILED, str(error))


def _account(settings: Settings, own: AccountSettings) -> Generator[Finding, None, bool]:
    """Look at an account; returns whether the hub answered it."""
    name = f"account {own.name}"
    if settings.sftp.enabled or settings.ftp.enabled:
        yield _users(own)
    yield _finding(f"{name}: profile", lambda: _profile(own))
    secret = _finding(f"{name}: secret", lambda: _secret(own))
    yield secret
    answered = secret.verdict is Verdict.OK and (yield from _hub(settings, own))
    if own.legacy is not None:
        yield from _old_mailbox(own, own.legacy)
    return answered


def _old_mailbox(own: AccountSettings, legacy: LegacySettings) -> Iterator[Finding]:
    name = f"account {own.name}: old mailbox"
    address = urlsplit(legacy.url)
    if address.scheme == "ftp" and not is_loopback(address.hostname or ""):
        advice = "nothing is encrypted on the way, the password neither: use ftps:// if it can"
        yield Finding(name, Verdict.WARNING, advice)
    yield _finding(name, lambda: _look_into(own, legacy))


def _look_into(own: AccountSettings, legacy: LegacySettings) -> str:
    with open_reader(legacy, parse_profile(read_profile(own.profile))) as mailbox:
        return f"{legacy.url} {mailbox.in_words()}"


def _moved(path: Path, own: AccountSettings) -> Iterator[Finding]:
    """Say that the last move counts where the settings name other feeds."""
    try:
        with closing(Ledger(path)) as ledger, ledger.read() as connection:
            feeds = serving(connection, own)
    except LedgerError:  # said above
        return
    settings_say = of_settings(own)
    if feeds != settings_say:
        advice = (
            "write there what the move made"
            if feeds.serve is not None
            else "leave them, the next cutover makes a feed serve again"
        )
        said = (
            f"the last move made {in_words(feeds)}, and it counts; the settings say "
            f"{in_words(settings_say)}: {advice}"
        )
        yield Finding(f"account {own.name}: feeds", Verdict.WARNING, said)


def _users(own: AccountSettings) -> Finding:
    what = f"account {own.name}: users"
    if own.user:
        return Finding(what, Verdict.OK, ", ".join(user.name for user in own.user))
    advice = "nobody may log in: add an [[account.user]] (`efact-bridge hash-password` helps)"
    return Finding(what, Verdict.FAILED, advice)


def _clock(own: AccountSettings, offset: timedelta) -> Finding:
    seconds = round(offset.total_seconds())
    said = f"the hub's clock is {seconds:+d} s from this machine's"
    if abs(seconds) < MOST_OFFSET:
        return Finding(f"account {own.name}: clock", Verdict.OK, said)
    advice = "the bridge copes, but set up time synchronisation (NTP)"
    return Finding(f"account {own.name}: clock", Verdict.WARNING, f"{said}: {advice}")


def _profile(own: AccountSettings) -> str:
    parse_profile(read_profile(own.profile))
    return own.profile


def _secret(own: AccountSettings) -> str:
    own.read_secret()
    return "there, and nobody else can read it" if own.secret_file else "there"


def _hub(settings: Settings, own: AccountSettings) -> Generator[Finding, None, bool]:
    name = f"account {own.name}: hub"
    with HubReader(settings.hub, issuer=own.issuer, secret=own.read_secret()) as hub:
        answer = _finding(name, lambda: _entities(hub, settings.hub.base_url))
        yield answer
        if hub.clock_offset is not None:
            yield _clock(own, hub.clock_offset)
    return answer.verdict is Verdict.OK


def _paused(
    path: Path, own: AccountSettings, *, answered: bool, end_pause: bool
) -> Iterator[Finding]:
    """Say until when the hub asked for a pause, which only a person ends; end one of our own.

    A hub that answers this may still want all else to wait, and a monitor may run this often.
    """
    try:
        with closing(Ledger(path)) as ledger:
            with ledger.read() as connection:
                pause = pauses.of_account(connection, own.name)
            left = 0.0 if pause is None else pause.left(datetime.now(UTC))
            ends = answered and (end_pause or not left)
            if pause is not None and ends:
                _end_pause(ledger, own.name)
    except LedgerError:  # said above
        return
    if pause is None or pause.until is None or not left:
        return
    asked = f"the hub asked for a pause until {pause.until.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    advice = "it answers now: the pause is over" if ends else "nothing is sent to it till then"
    yield Finding(f"account {own.name}: pause", Verdict.WARNING, f"{asked}; {advice}")


def _end_pause(ledger: Ledger, account: str) -> None:
    with ledger.write() as connection:
        pauses.strike_out(connection, account)


def _entities(hub: HubReader, base_url: str) -> str:
    found = hub.entities()
    names = ", ".join(entity.name or entity.nif for entity in found[:3])
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""  # noqa: PLR2004
    return f"{base_url} takes our token; entities: {names or 'none'}{more}"


def _doors(settings: Settings) -> Iterator[Finding]:
    serving = _is_serving(settings.data_dir)
    listeners: dict[str, SftpSettings | FtpSettings | WebSettings] = {
        "sftp": settings.sftp,
        "ftp": settings.ftp,
        "web": settings.web,
    }
    for name, listener in listeners.items():
        if listener.enabled:
            port = partial(_port, listener.host, listener.port, serving=serving)
            yield _finding(f"{name} port", port)
    if settings.sftp.enabled and settings.sftp.legacy_algorithms:
        yield _legacy_algorithms()
    if settings.ftp.enabled and settings.ftp.tls != "off":
        yield _tls(settings.ftp)


def _is_serving(data_dir: Path) -> bool:
    if not (data_dir / "locks" / "serve").is_file():
        return False
    try:
        with lock(data_dir / "locks" / "serve", wait=0):
            return False
    except StorageError:
        return True


def _port(host: str, port: int, *, serving: bool) -> str:
    with _socket(host) as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE and serving:
                return f"{host}:{port} is in use: `efact-bridge serve` is running"
            raise StorageError(
                f"{host}:{port} cannot be used: {error.strerror}; is another program there?"
            ) from error
    return f"{host}:{port} is free"


@contextmanager
def _socket(host: str) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield probe


def _host_keys(folder: Path) -> str:
    keys = load_host_keys(folder)
    prints = ", ".join(f"{key.get_name()} {key.fingerprint}" for key in keys)
    return f"{folder}: {prints}"


def _legacy_algorithms() -> Finding:
    what = "sftp legacy algorithms"
    if legacy_algorithms_available():
        return Finding(
            what,
            Verdict.WARNING,
            "on: old clients can log in, with cryptography that is no longer considered safe",
        )
    return Finding(
        what,
        Verdict.FAILED,
        "legacy_algorithms = true cannot be honoured with the paramiko that is installed "
        f"({paramiko.__version__}), but for old ciphers and MACs: install {EXTRA}, let the client "
        "use FTP on loopback or a VPN, or put OpenSSH in front of the mailbox folders",
    )


def _tls(ftp: FtpSettings) -> Finding:
    what = "ftp certificate"
    assert ftp.certificate is not None
    assert ftp.private_key is not None
    try:
        from bridge.facade.ftp_tls import others_can_read, tls_context  # noqa: PLC0415
    except ImportError:
        advice = 'needs pyOpenSSL: install the extra ftps (pip install "efact-bridge[ftps]")'
        return Finding(what, Verdict.FAILED, f'tls = "{ftp.tls}" {advice}')
    try:
        tls_context(ftp.certificate, ftp.private_key, oldest=ftp.min_tls)
    except BridgeError as error:
        return Finding(what, Verdict.FAILED, str(error))
    if others_can_read(ftp.private_key):
        said = f"others can read {ftp.private_key}: run `chmod o-rwx {ftp.private_key}`"
        return Finding(what, Verdict.WARNING, said)
    if ftp.old_tls:
        said = f'min_tls = "{ftp.min_tls}" lets in TLS that is no longer considered safe'
        return Finding(what, Verdict.WARNING, said)
    return Finding(what, Verdict.OK, f"{ftp.certificate}: TLS {ftp.min_tls} or newer")


def _disk(data_dir: Path) -> Finding:
    try:
        free = _try_disk(data_dir)
    except StorageError as error:
        return Finding("disk", Verdict.FAILED, str(error))
    if free < LITTLE_SPACE:
        said = f"{data_dir}: only {size(free)} are free: make room"
        return Finding("disk", Verdict.WARNING, said)
    said = f"{data_dir}: {size(free)} free, files can be written and linked"
    return Finding("disk", Verdict.OK, said)


def _try_disk(data_dir: Path) -> int:
    """Write, link and sync a file; return the free bytes."""
    with storage(f"data_dir {data_dir}"):
        data_dir.mkdir(parents=True, exist_ok=True)
        probe, link = data_dir / ".check", data_dir / ".check-link"
        for path in (probe, link):
            path.unlink(missing_ok=True)
        with removed_unless_whole(probe), removed_unless_whole(link):
            write_file(probe, b"check")
            os.link(probe, link)
            sync_folder(data_dir)
        for path in (probe, link):
            path.unlink()
        return shutil.disk_usage(data_dir).free


def _clients(settings: Settings, own: AccountSettings) -> Iterator[Finding]:
    """Say whom a change of algorithms would shut out, of the clients that come to an account."""
    path = settings.data_dir / "ledger.db"
    try:
        with closing(Ledger(path)) as ledger, ledger.read() as connection:
            clients = visitors.of_account(connection, own.name)
    except LedgerError:
        return  # said already
    for change in changes(settings, clients):
        what = f"account {own.name}: clients"
        if change.lost:
            said = f"{change.what} would shut out: {'; '.join(change.lost)}"
            yield Finding(what, Verdict.WARNING, said)
        elif clients:
            said = f"{change.what} would shut out none of the clients seen so far"
            yield Finding(what, Verdict.OK, said)


def _ledger(data_dir: Path) -> str:
    path = data_dir / "ledger.db"
    Ledger(path).close()
    return f"{path} can be opened"
