"""FTP's control connection: who is there, and what each command does to a visit.

TYPE is answered and changes nothing: files are signed, and a changed line end breaks the
signature.
"""

import contextlib
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import structlog
from pyftpdlib.exceptions import FilesystemError
from pyftpdlib.handlers import FTPHandler

from bridge.facade import ftp_names, ftp_verbs
from bridge.facade.access import MOST_STRANGERS, Access, Reason, origin_of, plain_address
from bridge.facade.clients import Program
from bridge.facade.events import DoorEvents, Session, tell
from bridge.facade.folders import DoorMailbox
from bridge.facade.ftp_files import MailboxFiles
from bridge.facade.ftp_transfer import (
    DataChannel,
    Passive,
    PassivePortsUsedUpError,
    has_hung_up,
)
from bridge.facade.tree import Visit

log = structlog.get_logger()

_ENCODINGS = {"ON": ftp_names.UTF_8, "OFF": ftp_names.OLD}
_MOST_ANSWERS = 1000
"""Answers that may wait for a client that does not read, beyond what the system holds."""
_MOST_LISTINGS = 4
"""Listings among them: each may be of many thousand files."""

_LONG = 0.002
"""Seconds of a turn after which the others have theirs, where a client sends many commands."""


class Commands(FTPHandler):  # type: ignore[misc]
    """A control connection. Class attributes are set by the door, on a class of its own."""

    access: Access
    mailboxes: dict[str, DoorMailbox]
    events: DoorEvents

    abstracted_fs = MailboxFiles
    dtp_handler = DataChannel
    passive_dtp = Passive
    proto_cmds = ftp_verbs.COMMANDS
    banner = "efact-bridge ready."
    timeout = 15 * 60
    auth_failed_timeout = 1
    encoding = ftp_names.UTF_8
    unicode_errors = ftp_names.ERRORS

    visit: Visit | None = None
    fs: MailboxFiles
    _restart_position: int
    _in_dtp_queue: Any
    _out_dtp_queue: Any
    _dtp_acceptor: Any
    _dtp_connector: Any
    strangers: Counter[str]
    """Connections that have not logged in, by origin; one count for the whole door."""
    _grace: Any = None
    _stranger: str | None = None
    ac_in_buffer: bytes
    _turn_ends = 0.0
    _later = b""
    """Commands that have come and wait for the next turn."""

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

    # Turns

    def recv(self, buffer_size: int) -> bytes:
        """Receive commands; those that wait go first."""
        self._turn_ends = time.monotonic() + _LONG
        later, self._later = self._later, b""
        return later or super().recv(buffer_size)

    def found_terminator(self) -> None:
        """Obey a command; those that came with it wait where this turn is long already."""
        super().found_terminator()
        if self.ac_in_buffer and time.monotonic() > self._turn_ends:
            self._later, self.ac_in_buffer = self.ac_in_buffer, b""
            self.ioloop.call_later(0, self._go_on, _errback=self.handle_error)

    def _go_on(self) -> None:
        if self._later and not self._closed:
            self.handle_read_event()

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
        if cmd in ftp_verbs.TRANSFERS | ftp_verbs.CONNECTIONS:
            self._forget_queued_transfer()
        if cmd in ftp_verbs.TRANSFERS and self.authenticated and not self._has_data_connection():
            self.respond("425 Use PORT or PASV first.")
            return
        verb = f"SITE {arg.partition(' ')[0].upper()}" if cmd == "SITE" else cmd
        if self.visit is not None and verb in self.proto_cmds:
            self.visit.habits.command(verb)
        super().pre_process_command(line, *ftp_verbs.in_todays_words(cmd, arg))

    def _reads_nothing(self) -> bool:
        """Tell whether too many answers wait for the client."""
        waiting = self.producer_fifo
        listings = (answer for answer in waiting if answer and not isinstance(answer, bytes))
        return len(waiting) > _MOST_ANSWERS or len(list(listings)) > _MOST_LISTINGS

    def _has_data_connection(self) -> bool:
        """Tell whether there is a data connection, or one is on its way."""
        return any((self.data_channel, self._dtp_acceptor, self._dtp_connector))

    def no_data_connection(self) -> None:
        """Answer a transfer that waits for a data connection which will not come any more."""
        self._dtp_acceptor = None
        if self._forget_queued_transfer() and not self._closed:
            self.respond("425 There is no data connection.")

    def _on_dtp_connection(self) -> None:
        """Begin a transfer; what connected to the client has handed its socket over.

        pyftpdlib would close it all the same, at the next PORT or PASV or with the connection:
        by then the number of that socket may be another client's, who was never heard again.
        """
        self._dtp_connector = None
        super()._on_dtp_connection()

    def _forget_queued_transfer(self) -> bool:
        """Let go of a transfer whose data connection never came; tell whether there was one."""
        incoming, outgoing = self._in_dtp_queue, self._out_dtp_queue
        self._in_dtp_queue = self._out_dtp_queue = None
        for file in (incoming and incoming[0], outgoing and outgoing[2]):
            if file is not None:
                file.close()
        return bool(incoming or outgoing)

    def ftp_ABOR(self, line: str) -> None:
        """End a transfer; one that still waits for its data connection is answered, too."""
        if self._forget_queued_transfer():
            self.respond("426 Transfer aborted before it began.")
        super().ftp_ABOR(line)

    # REST beyond the end of a file, or before APPE: answered as vsftpd does

    def ftp_RETR(self, file: str) -> str | None:
        """Send a file; from beyond its end there is nothing to send."""
        if self._restart_position:
            with contextlib.suppress(OSError, FilesystemError):  # told by what opens it
                self._restart_position = min(self._restart_position, self.fs.getsize(file))
        sent: str | None = super().ftp_RETR(file)
        return sent

    def ftp_STOR(self, file: str, mode: str = "w") -> str | None:
        """Store a file; what it lacks before the place where it goes on is zeros."""
        self.fs.begin_at = self._restart_position
        stored: str | None = super().ftp_STOR(file, mode)
        return stored

    def ftp_APPE(self, file: str) -> str | None:
        """Append to a file, wherever REST said that a transfer goes on."""
        self._restart_position = 0
        stored: str | None = super().ftp_APPE(file)
        return stored

    # Other commands

    def ftp_TYPE(self, line: str) -> None:
        """Answer TYPE, also with the format that RFC 959 allows behind it (`A N`)."""
        super().ftp_TYPE(line.upper().removesuffix(" N"))

    def ftp_OPTS(self, line: str) -> None:
        """Answer OPTS; with `UTF8 OFF` names go in the encoding of old Windows programs."""
        option, _, value = " ".join(line.upper().split()).partition(" ")
        if option in ("UTF8", "UTF-8") and value in _ENCODINGS:
            self.encoding = _ENCODINGS[value]
            self.respond(f"200 UTF8 is {value.lower()}.")
        else:
            super().ftp_OPTS(line)

    def ftp_SITE_UTIME(self, line: str) -> None:
        """Set a file's time, in either of the forms that there are."""
        found = ftp_verbs.time_and_path(line)
        if found is None:
            self.respond("501 SITE UTIME wants YYYYMMDDhhmm[ss] and a path.")
            return
        moment, path = found
        self.ftp_MFMT(self.fs.ftp2fs(path), moment)

    def _make_epasv(self, extmode: bool = False) -> None:
        try:
            super()._make_epasv(extmode)
        except PassivePortsUsedUpError:
            log.warning("all passive FTP ports are in use", address=self.remote_ip)
            self.respond("425 No data connection: all passive ports are in use, try again.")

    def respond(self, resp: str, logfun: object = None) -> None:
        """Answer with vsftpd's codes where ours are others: clients were written against them."""
        super().respond(ftp_verbs.answered(resp), logfun)

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
