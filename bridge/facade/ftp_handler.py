"""FTP's commands over a visit to a mailbox.

pyftpdlib asks a file system of "real" paths; ours are the client's own, in their one form, and
`Visit` decides about each. TYPE is answered and changes nothing: files are signed, and a changed
line end breaks the signature.
"""

import fnmatch
import glob
import os
import posixpath
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import structlog
from pyftpdlib.exceptions import AuthenticationFailed, FilesystemError
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import FTPHandler

from bridge.facade import ftp_names
from bridge.facade.access import MOST_STRANGERS, Access, Reason, Refused, origin_of, plain_address
from bridge.facade.clients import Program
from bridge.facade.events import DoorEvents, Session, tell
from bridge.facade.folders import DoorError, DoorMailbox
from bridge.facade.ftp_transfer import (
    DataChannel,
    Incoming,
    Outgoing,
    Passive,
    PassivePortsUsedUpError,
    has_hung_up,
)
from bridge.facade.listings import Entry, ftp_facts, ftp_list
from bridge.facade.tree import Visit
from bridge.facade.uploads import Start

log = structlog.get_logger()

_STARTS = {"wb": Start.EMPTY, "ab": Start.APPEND, "r+b": Start.COPY}
_CODES = {"125 Data ": "150", "220 Other": "200"}
"""The beginning of a transfer, and EPSV ALL."""
_FIXED = "The folders of the mailbox are fixed"
_ENCODINGS = {"ON": ftp_names.UTF_8, "OFF": ftp_names.OLD}
_MOST_ANSWERS = 1000
"""Answers that may wait for a client that does not read, beyond what the system holds."""
_MOST_LISTINGS = 4
"""Listings among them: each may be of many thousand files."""
_TRANSFERS = frozenset({"RETR", "STOR", "APPE", "LIST", "NLST", "MLSD"})
_CONNECTIONS = frozenset({"PASV", "EPSV", "PORT", "EPRT"})
_TIME = re.compile(r"\d{12}(\d\d)?")
_TIME_AND_PATH = re.compile(r"\d{14} .+")


def _refusing(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turn our refusals into pyftpdlib's: the one place where that is done."""

    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        try:
            return method(*args, **kwargs)
        except DoorError as error:
            raise FilesystemError(str(error)) from error

    return call


class Listed(list[str]):
    """Names that are in a folder, as they stand there."""


class MailboxFiles(AbstractedFS):  # type: ignore[misc]
    """A mailbox in the form that pyftpdlib asks for."""

    def __init__(self, root: str, cmd_channel: "Commands") -> None:
        super().__init__(root, cmd_channel)
        assert cmd_channel.visit is not None
        self._visit = cmd_channel.visit

    def ftp2fs(self, ftppath: str) -> str:
        """Return the path in its one form."""
        joined = posixpath.join(self.cwd, ftppath.replace("\0", "\ufffd"))
        return self._visit.canonical(joined)

    def fs2ftp(self, fspath: str) -> str:
        """Return the path: it is the client's own."""
        return fspath

    def validpath(self, path: str) -> bool:
        """Say yes: `Visit` decides."""
        return True

    def realpath(self, path: str) -> str:
        """Return the path: there are no links."""
        return path

    @_refusing
    def chdir(self, path: str) -> None:
        """Change to a folder."""
        if not self._visit.is_folder(path):
            raise FilesystemError("No such folder")
        self.cwd = path

    @_refusing
    def open(self, filename: str, mode: str) -> Outgoing | Incoming:
        """Open a file to be sent or stored."""
        if mode == "rb":
            return Outgoing(self._visit, self._visit.read(filename), filename)
        start = _STARTS[mode]
        upload = self._visit.write(filename, start=start, create=start is not Start.COPY)
        return Incoming(self._visit, upload, filename)

    @_refusing
    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder, or those that a pattern in place of a name fits."""
        folder, pattern = posixpath.split(path)
        if glob.has_magic(pattern) and not self._visit.is_folder(path):
            return Listed(fnmatch.filter(self._visit.names(folder), pattern))
        return Listed(self._visit.names(path))

    @_refusing
    def lstat(self, path: str) -> os.stat_result:
        """Return size, times and kind."""
        return self._visit.stat(path)

    stat = lstat

    @_refusing
    def remove(self, path: str) -> None:
        """Delete a file."""
        self._visit.remove(path)

    @_refusing
    def rename(self, src: str, dst: str) -> None:
        """Rename an upload; like other FTP servers this overwrites."""
        self._visit.rename(src, dst, replace=True)

    @_refusing
    def utime(self, path: str, timeval: float) -> None:
        """Store the time of an upload."""
        self._visit.set_attributes(path, times=(timeval, timeval))

    @_refusing
    def chmod(self, path: str, mode: int) -> None:
        """Take note and do nothing."""
        self._visit.stat(path)

    def mkdir(self, path: str) -> None:
        """Refuse."""
        raise FilesystemError(_FIXED)

    rmdir = mkdir

    def isdir(self, path: str) -> bool:
        """Tell whether it is a folder, or a pattern that stands for files in one."""
        folder, name = posixpath.split(path)
        pattern = glob.has_magic(name) and self._visit.is_folder(folder) and not self.lexists(path)
        return self._visit.is_folder(path) or pattern

    def isfile(self, path: str) -> bool:
        """Tell whether it is a file."""
        return not self._visit.is_folder(path) and self.lexists(path)

    def islink(self, path: str) -> bool:
        """Say no: there are no links."""
        return False

    def lexists(self, path: str) -> bool:
        """Tell whether it is there."""
        try:
            self._visit.stat(path)
        except (DoorError, OSError):
            return False
        return True

    def getsize(self, path: str) -> int:
        """Return a file's size."""
        return int(self.lstat(path).st_size)

    def getmtime(self, path: str) -> float:
        """Return when a file was changed."""
        return float(self.lstat(path).st_mtime)

    def get_user_by_uid(self, uid: int) -> str:
        """Return a name that says nothing of this machine."""
        return "efact"

    get_group_by_gid = get_user_by_uid

    def format_list(
        self, basedir: str, listing: list[str], ignore_err: bool = True
    ) -> Iterator[bytes]:
        """Return the lines of LIST; a pattern lists the files of its folder."""
        rows = self._rows(basedir, listing, ignore_err=ignore_err)
        return self._encoded(ftp_list(rows, owner=self.get_user_by_uid(0), now=time.time()))

    def format_mlsx(
        self,
        basedir: str,
        listing: list[str],
        perms: str,
        facts: list[str],
        ignore_err: bool = True,
    ) -> Iterator[bytes]:
        """Return the lines of MLSD; a pattern lists the files of its folder."""
        lines = ftp_facts(
            self._rows(basedir, listing, ignore_err=ignore_err),
            facts=facts,
            file_perm="".join(letter for letter in perms if letter not in "celmp"),
            folder_perm="".join(letter for letter in perms if letter not in "arw") + "cp",
        )
        return self._encoded(lines)

    def _encoded(self, pieces: Iterator[str]) -> Iterator[bytes]:
        channel = self.cmd_channel
        return (piece.encode(channel.encoding, channel.unicode_errors) for piece in pieces)

    def _rows(self, basedir: str, names: list[str], *, ignore_err: bool) -> Iterator[Entry]:
        """Return the rows of names, found as they are sent."""
        base = basedir if self._visit.is_folder(basedir) else posixpath.dirname(basedir)
        if isinstance(names, Listed):
            yield from self._visit.look_at(base, names)
            return
        for name in names:
            try:
                yield Entry(name, self.lstat(posixpath.join(base, name)))
            except (OSError, FilesystemError):
                if not ignore_err:
                    raise


class Keeper:
    """What pyftpdlib calls an authorizer: `Access` decides on logins, `Visit` on the rest."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def validate_authentication(self, username: str, password: str, handler: "Commands") -> None:
        """Decide on a login; raises AuthenticationFailed, with a text that says nothing more."""
        raw = password.encode("utf-8", "surrogateescape")
        decision = self._access.with_password(
            username, raw, address=handler.remote_ip, protocol="ftp"
        )
        if isinstance(decision, Session) and not self._access.enter(decision):
            decision = Refused(Reason.SESSIONS)
        if isinstance(decision, Refused):
            handler.refused(username, decision.reason)
            raise AuthenticationFailed("Authentication failed.")
        handler.come_in(decision)

    def get_home_dir(self, username: str) -> str:
        """Return the root of the client's paths."""
        return "/"

    def get_msg_login(self, username: str) -> str:
        """Return the greeting."""
        return "Login successful."

    def get_msg_quit(self, username: str) -> str:
        """Return the farewell."""
        return "Goodbye."

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        """Say yes: `Visit` decides."""
        return True

    def get_perms(self, username: str) -> str:
        """Return what the facts of MLSD say: clients look at it before they try."""
        return "elradfw"

    def impersonate_user(self, username: str, password: str) -> None:
        """Do nothing."""

    def terminate_impersonation(self, username: str) -> None:
        """Do nothing."""


_COMMANDS = {
    name: row
    for name, row in FTPHandler.proto_cmds.items()
    if name != "STOU"  # a name that the client does not choose is of no use here
} | {
    "SITE UTIME": {
        "perm": None,
        "auth": True,
        "arg": True,
        "help": "Syntax: SITE UTIME <SP> time <SP> path (set the time of a file).",
    }
}


class Commands(FTPHandler):  # type: ignore[misc]
    """A control connection. Class attributes are set by the door, on a class of its own."""

    access: Access
    mailboxes: dict[str, DoorMailbox]
    events: DoorEvents

    abstracted_fs = MailboxFiles
    dtp_handler = DataChannel
    passive_dtp = Passive
    proto_cmds = _COMMANDS
    banner = "efact-bridge ready."
    timeout = 15 * 60
    auth_failed_timeout = 1
    encoding = ftp_names.UTF_8
    unicode_errors = ftp_names.ERRORS

    visit: Visit | None = None
    _in_dtp_queue: Any
    _out_dtp_queue: Any
    _dtp_acceptor: Any
    _dtp_connector: Any
    strangers: Counter[str]
    """Connections that have not logged in, by origin; one count for the whole door."""
    _grace: Any = None
    _stranger: str | None = None

    @property
    def _current_type(self) -> str:
        """Binary, whatever the client set."""
        return "i"

    @_current_type.setter
    def _current_type(self, value: str) -> None:
        pass

    # Coming and going

    def on_connect(self) -> None:
        """Give the client the grace time to log in, unless its address has many that do not."""
        origin = origin_of(plain_address(self.remote_ip))
        if self.strangers[origin] >= MOST_STRANGERS:
            log.warning("too many FTP connections that do not log in", address=origin)
            self.respond("421 Too many connections from your address that do not log in.")
            self.close_when_done()
            return
        self._is_stranger(origin)

    def refused(self, user: str, reason: Reason) -> None:
        """Tell of a refused login."""
        address = plain_address(self.remote_ip)
        tell(self.events.refused, user=user, address=address, protocol="ftp", reason=reason.value)

    def come_in(self, session: Session) -> None:
        """Begin the visit of someone whose login was right and who is counted in."""
        self._is_no_stranger()
        session = replace(session, program=self.program())
        self.visit = Visit(self.mailboxes[session.account], session, self.events)
        tell(self.events.logged_in, session)

    def program(self) -> Program:
        """Return what the client is: FTP tells little of it."""
        return Program(agreed={"tls": "none"})

    def handle_auth_success(self, home: str, password: str, msg_login: str) -> None:
        """Go on without keeping the password."""
        super().handle_auth_success(home, "", msg_login)

    def on_logout(self, username: str) -> None:
        """End the visit, and what is being transferred, unless QUIT lets that end first.

        Who stays has to log in again, and in time.
        """
        if not self._quit_pending:
            if self.data_channel is not None:
                self.data_channel.close()
            self._leave()
            if not (self._closed or self._closing):
                self._is_stranger(origin_of(plain_address(self.remote_ip)))

    def close(self) -> None:
        """Close the connection and end the visit."""
        super().close()
        self._leave()

    def _is_stranger(self, origin: str) -> None:
        """Count the connection among those that have not logged in, and give it time to do so."""
        self.strangers[origin] += 1
        self._stranger = origin
        self._grace = self.call_later(self.access.login.grace, self._after_the_grace)

    def _is_no_stranger(self) -> None:
        """Count the connection no longer among those that have not logged in."""
        if self._grace is not None and not self._grace.cancelled:
            self._grace.cancel()  # else it would keep all of this for as long
        if self._stranger is not None:
            self.strangers -= Counter({self._stranger: 1})
            self._stranger = None

    def is_lost(self) -> bool:
        """Tell whether the client has gone."""
        return self._closed or has_hung_up(self._fileno)

    def _leave(self) -> None:
        self._is_no_stranger()
        visit, self.visit = self.visit, None
        if visit is not None:
            visit.end()
            self.access.leave(visit.session)
            tell(self.events.logged_out, visit.session)

    def _after_the_grace(self) -> None:
        if not self.authenticated:
            self.respond("421 You did not log in in time.")
            self.close()  # now: there are clients that never read it

    # Commands

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        """Settle an upload that waits: the next command shows that the client is there."""
        if self._closed:  # what came behind the command at which the connection broke
            return
        if self._reads_nothing():
            log.warning("an FTP client asks on and on and reads nothing", address=self.remote_ip)
            self.close()
            return
        channel = self.data_channel
        if channel is not None and channel.waiting:
            channel.settle(counts=cmd[-4:] != "ABOR")
        if cmd in _TRANSFERS | _CONNECTIONS:
            self._forget_queued_transfer()
        if cmd in _TRANSFERS and self.authenticated and not self._has_data_connection():
            self.respond("425 Use PORT or PASV first.")
            return
        verb = f"SITE {arg.partition(' ')[0].upper()}" if cmd == "SITE" else cmd
        if self.visit is not None and verb in self.proto_cmds:
            self.visit.habits.command(verb)
        if cmd in ("LIST", "NLST", "STAT"):
            arg = _without_options(arg)
        if cmd == "MDTM" and _TIME_AND_PATH.fullmatch(arg):  # how old clients set a time
            cmd = "MFMT"
        super().pre_process_command(line, cmd, arg)

    def _reads_nothing(self) -> bool:
        """Tell whether too many answers wait for the client."""
        waiting = self.producer_fifo
        listings = (answer for answer in waiting if answer and not isinstance(answer, bytes))
        return len(waiting) > _MOST_ANSWERS or len(list(listings)) > _MOST_LISTINGS

    def _has_data_connection(self) -> bool:
        """Tell whether there is a data connection, or one is on its way."""
        return any((self.data_channel, self._dtp_acceptor, self._dtp_connector))

    def _forget_queued_transfer(self) -> None:
        """Let go of a file whose data connection never came: the next transfer has another."""
        incoming, outgoing = self._in_dtp_queue, self._out_dtp_queue
        self._in_dtp_queue = self._out_dtp_queue = None
        for file in (incoming and incoming[0], outgoing and outgoing[2]):
            if file is not None:
                file.close()

    def ftp_TYPE(self, line: str) -> None:  # noqa: N802
        """Answer TYPE, also with the format that RFC 959 allows behind it (`A N`)."""
        super().ftp_TYPE(line.upper().removesuffix(" N"))

    def ftp_OPTS(self, line: str) -> None:  # noqa: N802
        """Answer OPTS; with `UTF8 OFF` names go in the encoding of old Windows programs."""
        words = line.upper().split()
        if len(words) == 2 and words[0] in ("UTF8", "UTF-8") and words[1] in _ENCODINGS:  # noqa: PLR2004
            self.encoding = _ENCODINGS[words[1]]
            self.respond(f"200 UTF8 is {words[1].lower()}.")
        else:
            super().ftp_OPTS(line)

    def ftp_SITE_UTIME(self, line: str) -> None:  # noqa: N802
        """Set a file's time: `YYYYMMDDhhmm[ss] path`, or `path atime mtime ctime UTC`."""
        words = line.split(" ")
        if _TIME.fullmatch(words[0]):
            moment, path = words[0], " ".join(words[1:])
        elif words[-1].upper() == "UTC" and len(words) >= 5:  # noqa: PLR2004
            moment, path = words[-3], " ".join(words[:-4])
        else:
            moment, path = "", ""
        if not path or not _TIME.fullmatch(moment):
            self.respond("501 SITE UTIME wants YYYYMMDDhhmm[ss] and a path.")
            return
        self.ftp_MFMT(self.fs.ftp2fs(path), moment.ljust(14, "0"))

    def _make_epasv(self, extmode: bool = False) -> None:
        try:
            super()._make_epasv(extmode)
        except PassivePortsUsedUpError:
            log.warning("all passive FTP ports are in use", address=self.remote_ip)
            self.respond("425 No data connection: all passive ports are in use, try again.")

    def respond(self, resp: str, logfun: object = None) -> None:
        """Answer with vsftpd's codes where ours are others: clients were written against them."""
        code = _CODES.get(resp[:9], resp[:3])
        super().respond(code + resp[3:], logfun)

    def push(self, data: str | bytes) -> None:
        """Send text with the very bytes of the names in it."""
        if isinstance(data, str):
            data = data.encode(self.encoding, self.unicode_errors)
        super(FTPHandler, self).push(data)

    # Logging: the events say what went on

    def log(self, msg: str, logfun: object = None) -> None:
        """Log nothing."""

    logline = logerror = log

    def log_cmd(self, cmd: str, arg: str, respcode: int, respstr: str) -> None:
        """Log nothing."""

    def log_transfer(self, *args: object, **details: object) -> None:
        """Log nothing."""

    def log_exception(self, instance: object) -> None:
        """Log a fault of ours."""
        log.exception("an FTP command failed", address=self.remote_ip)


def _without_options(arg: str) -> str:
    """Return the path behind the `-la` or `-1` that many clients put before it."""
    words = arg.split(" ")
    while words and re.fullmatch(r"-[A-Za-z0-9]*", words[0]):
        words.pop(0)
    return " ".join(words)
