"""What the doors tell: logged, recorded in the ledger, and passed on to whom it concerns."""

import itertools
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from bridge.account import utc_now
from bridge.chain import Detail
from bridge.facade.clients import Habits, short
from bridge.facade.events import Ban, LogEvents, Session, printable
from bridge.facade.folders import UPLOAD_ROLES
from bridge.flood import Happening
from bridge.ledger import visitors
from bridge.ledger.visitors import Client, VisitRow
from bridge.naming import Folder
from bridge.running.recorder import Note, Recorder
from bridge.running.worker import Worker
from bridge.settings import AccountSettings
from bridge.upkeep.cut_offs import CutOff, Uploader


class Doorkeeper(LogEvents):
    """The receiver of the doors' events; every method may be called by any thread."""

    def __init__(
        self,
        workers: Mapping[str, Worker],
        recorder: Recorder,
        accounts: Iterable[AccountSettings],
    ) -> None:
        self._workers = workers
        self._recorder = recorder
        self._accounts = {user.name: own.name for own in accounts for user in own.user}
        self._numbers = itertools.count(1)
        self._visits: dict[int, int] = {}
        self._lock = threading.Lock()

    def logged_in(self, session: Session) -> None:
        """Record the login, the program, and that someone is here."""
        super().logged_in(session)
        with self._lock:
            number = self._visits[id(session)] = next(self._numbers)
        self._record(
            session,
            Happening.LOGIN,
            {"program": short(session.program.name)} if session.program.name else {},
            change=partial(_arrive, session=session, number=number),
        )

    def logged_out(self, session: Session) -> None:
        """Record that they have gone."""
        super().logged_out(session)
        with self._lock:
            number = self._visits.pop(id(session), None)
        if number is not None:
            self._recorder.put(Note(change=partial(_leave, number=number)))

    def behaved(self, session: Session, habits: Habits) -> None:
        """Record what the client does."""
        self._recorder.put(Note(change=partial(_behave, session=session, habits=habits)))

    def refused(self, *, user: str, address: str, protocol: str, reason: str) -> None:
        """Record the refusal, but not a name that nobody has: it may be a password."""
        known = user if user in self._accounts else None
        shown = known or f"{user[:1]}… ({len(user)} characters)"
        super().refused(user=shown, address=address, protocol=protocol, reason=reason)
        detail = {"user": known, "address": address, "protocol": protocol, "reason": reason}
        self._tell_those(known, Happening.REFUSAL, detail)

    def banned(self, ban: Ban) -> None:
        """Record a ban, and keep it over a restart."""
        super().banned(ban)
        until = utc_now() + timedelta(seconds=ban.seconds)
        self._recorder.put(Note(change=partial(_ban, subject=ban.subject, until=until)))
        detail = {ban.kind: ban.name, "until": until.isoformat(timespec="seconds")}
        self._tell_those(ban.name if ban.kind == "user" else None, Happening.BAN, detail)

    def fetched(self, session: Session, folder: str, name: str, *, size: int) -> None:
        """Record that a file was fetched."""
        super().fetched(session, folder, name, size=size)
        self._record(session, Happening.FETCH, _file(folder, name) | {"size": size})

    def deleted(self, session: Session, folder: str, name: str) -> None:
        """Record a deletion: each of the files that the bridge has put there, whatever comes."""
        super().deleted(session, folder, name)
        always = folder not in UPLOAD_ROLES
        self._record(session, Happening.DELETION, _file(folder, name), always=always)

    def uploaded(self, session: Session, folder: str, name: str, *, size: int) -> None:
        """Record an upload, and wake the account's outbound loop."""
        super().uploaded(session, folder, name, size=size)
        self._record(session, Happening.UPLOAD, _file(folder, name) | {"size": size})
        self._workers[session.account].wake.set()

    def renamed(self, session: Session, folder: str, name: str, *, to: str) -> None:
        """Record that an upload got another name."""
        super().renamed(session, folder, name, to=to)
        self._record(session, Happening.RENAMING, _file(folder, name) | {"to": printable(to)})

    def upload_cut_off(
        self, *, account: str, folder: str, name: str, partial: Path, session: Session | None
    ) -> None:
        """Have the bytes that came kept in the archive; that has an event of its own."""
        super().upload_cut_off(
            account=account, folder=folder, name=name, partial=partial, session=session
        )
        who = None
        if session is not None:
            who = Uploader(user=session.user, address=session.address, protocol=session.protocol)
        self._workers[account].note_cut_off(CutOff(Folder(folder), printable(name), partial, who))

    def _record(
        self,
        session: Session,
        happening: Happening,
        detail: Detail,
        *,
        always: bool = False,
        change: "partial[None] | None" = None,
    ) -> None:
        self._recorder.put(
            Note(
                account=session.account,
                happening=happening,
                actor=session.user,
                detail={"address": session.address, "protocol": session.protocol, **detail},
                always=always,
                change=change,
            )
        )

    def _tell_those(self, user: str | None, happening: Happening, detail: Detail) -> None:
        """Record something of a user in the user's account, of strangers in all accounts."""
        for account in [self._accounts[user]] if user else dict.fromkeys(self._workers):
            self._recorder.put(Note(account=account, happening=happening, detail=detail))


def _file(folder: str, name: str) -> dict[str, str | int]:
    return {"folder": folder, "name": printable(name)}


def _client(session: Session) -> Client:
    program = session.program.as_detail()
    return visitors.client_of(session.account, session.user, session.protocol, program)


def _arrive(connection: Connection, at: datetime, *, session: Session, number: int) -> None:
    visitors.came(connection, _client(session), session.program.as_detail(), at=at)
    row = VisitRow(
        user=session.user,
        address=session.address,
        protocol=session.protocol,
        program=short(session.program.name) or None,
        since=at,
    )
    visitors.begin_visit(connection, number, session.account, row)


def _leave(connection: Connection, _: datetime, *, number: int) -> None:
    visitors.end_visit(connection, number)


def _behave(connection: Connection, at: datetime, *, session: Session, habits: Habits) -> None:
    visitors.behaved(connection, _client(session), habits.as_detail(), at=at)


def _ban(connection: Connection, at: datetime, *, subject: str, until: datetime) -> None:
    visitors.note_ban(connection, subject, until=until, now=at)
