"""What goes on at the doors, told to whoever keeps the books.

The calls come from the doors' threads and must be quick. An exception out of one is logged and
changes nothing for the client: what it was told about has already happened.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, Protocol

import structlog

from bridge.facade.clients import Habits, Program, short

log = structlog.get_logger()

_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Someone who is logged in: which user, from where, through which door, to whose mailbox."""

    user: str
    account: str
    address: str
    protocol: str
    """`sftp` or `ftp`."""
    program: Program = field(default_factory=Program, compare=False, repr=False)
    """With which program they came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """An address or a user that may not come in for a while."""

    kind: str
    """`address` or `user`."""
    name: str
    seconds: float

    @property
    def subject(self) -> str:
        """What the ban is kept under."""
        return f"{self.kind} {self.name}"


class DoorEvents(Protocol):
    """The receiver of events. `folder` is always a folder's role (`out`, `statin`, …).

    A name holds what the client sent; bytes that are no UTF-8 are in it as surrogates
    (`os.fsencode` gives them back), so make it `printable` before it goes anywhere as text.
    """

    def logged_in(self, session: Session) -> None:
        """Someone logged in."""

    def logged_out(self, session: Session) -> None:
        """Their connection ended, in whatever way."""

    def behaved(self, session: Session, habits: Habits) -> None:
        """A visit ends, and showed what its client does."""

    def refused(self, *, user: str, address: str, protocol: str, reason: str) -> None:
        """A login was refused; `user` is whatever was typed."""

    def banned(self, ban: Ban) -> None:
        """Too many logins failed."""

    def fetched(self, session: Session, folder: str, name: str, *, size: int) -> None:
        """A file was sent to its last byte."""

    def deleted(self, session: Session, folder: str, name: str) -> None:
        """A file is deleted, and will be after a power cut too."""

    def uploaded(self, session: Session, folder: str, name: str, *, size: int) -> None:
        """A file that the client closed properly is in its folder and on disk."""

    def renamed(self, session: Session, folder: str, name: str, *, to: str) -> None:
        """An upload got another name within its folder."""

    def upload_cut_off(
        self, *, account: str, folder: str, name: str, partial: Path, session: Session | None
    ) -> None:
        """An upload ended without being closed; `partial` holds what came.

        The receiver moves that file away (a rename: it is on the file system of the mailbox);
        what it leaves there is offered again at the next start. `session` is None for what an
        earlier run of the bridge left behind.
        """


class LogEvents:
    """Writes events to the log and keeps nothing; a partial upload stays in staging."""

    def logged_in(self, session: Session) -> None:
        """See `DoorEvents`."""
        program = {"program": short(session.program.name)} if session.program.name else {}
        log.info("logged in", **program, **_who(session))

    def logged_out(self, session: Session) -> None:
        """See `DoorEvents`."""
        log.info("logged out", **_who(session))

    def behaved(self, session: Session, habits: Habits) -> None:
        """See `DoorEvents`."""

    def refused(self, *, user: str, address: str, protocol: str, reason: str) -> None:
        """See `DoorEvents`."""
        log.warning(
            "login refused", user=short(user), address=address, protocol=protocol, reason=reason
        )

    def banned(self, ban: Ban) -> None:
        """See `DoorEvents`."""
        log.warning("too many failed logins: banned", **{ban.kind: ban.name}, seconds=ban.seconds)

    def fetched(self, session: Session, folder: str, name: str, *, size: int) -> None:
        """See `DoorEvents`."""
        log.info("file fetched", folder=folder, name=printable(name), size=size, **_who(session))

    def deleted(self, session: Session, folder: str, name: str) -> None:
        """See `DoorEvents`."""
        log.info("file deleted", folder=folder, name=printable(name), **_who(session))

    def uploaded(self, session: Session, folder: str, name: str, *, size: int) -> None:
        """See `DoorEvents`."""
        log.info("file uploaded", folder=folder, name=printable(name), size=size, **_who(session))

    def renamed(self, session: Session, folder: str, name: str, *, to: str) -> None:
        """See `DoorEvents`."""
        log.info(
            "file renamed", folder=folder, name=printable(name), to=printable(to), **_who(session)
        )

    def upload_cut_off(
        self, *, account: str, folder: str, name: str, partial: Path, session: Session | None
    ) -> None:
        """See `DoorEvents`."""
        who = {} if session is None else _who(session)
        log.warning(
            "upload cut off",
            **{"account": account, "folder": folder, "name": printable(name)} | who,
            partial=printable(str(partial)),
        )


def tell(event: Callable[_P, None], *args: _P.args, **details: _P.kwargs) -> None:
    """Deliver an event; whatever its receiver raises is logged and goes no further."""
    try:
        event(*args, **details)
    except Exception:
        log.exception("an event of the door was not taken", door_event=event.__name__)


class Teller(Protocol):
    """How events are delivered: at once (`tell`), or when the client has its answer."""

    def __call__(self, event: Callable[_P, None], *args: _P.args, **details: _P.kwargs) -> None:
        """Deliver an event, now or soon."""


def printable(name: str) -> str:
    """Return a name with the bytes that are no UTF-8 escaped, fit for logs and tables."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _who(session: Session) -> dict[str, str]:
    return {
        "user": session.user,
        "account": session.account,
        "address": session.address,
        "protocol": session.protocol,
    }
