"""What the software and the hub have seen so far, and whether it is what the README promises.

Nothing in here looks into the ledger but to learn what was refused: the mailbox's folders and the
hub's journal count.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from bridge import feedback
from bridge.ledger import updates
from bridge.ledger.updates import Update
from bridge.model import FINAL_STATES, HubId, State, StateRecord
from bridge.sandbox.journal import Request
from tests.accounts import Office, Said, annotated, paid, rejected, state_file

UNKNOWN = "999"
"""An id that the hub never gave."""

REFUSED_AT_ONCE: Mapping[str, str] = {
    "CANCELED": "BR04",
    "without a number": "BR05",
    "no such invoice": "2001",
    "broken": "BR01",
}
"""Updates that nobody can want, and the code of their answer."""

TOLD = ("ANNOTATED", "PAID", "REJECTED", "DELIVERED", "RECEIVED", "ACCEPTED", "RECOGNISED")
KINDS = (*TOLD, *REFUSED_AT_ONCE)

MAY_BE_REFUSED = frozenset({"BR06", "3005", "3007"})
"""What a sensible update may draw: the invoice has ended, or is not registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One update as the software wrote it; `detail` tells it from every other."""

    kind: str
    hub_id: HubId
    position: int
    detail: str = ""

    def is_in(self, record: StateRecord) -> bool:
        """Tell whether a line of the hub's history is this update."""
        details = (record.register_number, record.paid_on, record.reason)
        return record.state == self.kind and (
            not self.detail or self.detail in map(str, filter(None, details))
        )


@dataclass(slots=True, kw_only=True)
class StateFile:
    """A state file, and under which names it was dropped."""

    content: bytes
    asked: tuple[Asked, ...]
    names: list[str]
    retries: int = 0
    """How many refusals of it may have been tried again, counted each time."""


def write_state_file(number: int, asked: list[tuple[str, HubId]]) -> StateFile:
    """Write the state file of that number; every detail in it is its own."""
    if any(kind == "broken" for kind, _ in asked):
        whole = Asked(kind="broken", hub_id=HubId(""), position=0)
        content = f"<DeliveryFeedback number='{number}'".encode()
        return StateFile(content=content, asked=(whole,), names=[])
    rows, entries = [], []
    for position, (kind, hub_id) in enumerate(asked, start=1):
        entry, detail = _entry(kind, hub_id, number * 10 + position)
        entries.append(entry)
        rows.append(Asked(kind=kind, hub_id=hub_id, position=position, detail=detail))
    return StateFile(content=state_file(*entries), asked=tuple(rows), names=[])


def _entry(kind: str, hub_id: HubId, serial: int) -> tuple[Said, str]:
    """Return an update and the detail that tells it from others; the number makes bytes differ."""
    day = (date(2026, 1, 1) + timedelta(days=serial)).isoformat()
    number = f"F{serial}"
    match kind:
        case "ANNOTATED":
            return annotated(hub_id, f"R-{serial}."), f"R-{serial}."
        case "PAID":
            return paid(hub_id, day), day
        case "REJECTED":
            return rejected(hub_id, f"motiu {serial}."), f"motiu {serial}."
        case "without a number":
            return Said(hub_id=hub_id, status="ANNOTATED", number=number), ""
        case "no such invoice":
            return annotated(UNKNOWN, f"R-{serial}."), f"R-{serial}."
    return Said(hub_id=hub_id, status=kind, number=number), ""


@dataclass(slots=True, kw_only=True)
class Outside:
    """Everything that was seen from outside the bridge; `check` fails at the first broken promise.

    A file is known by its kind and by what it is about: the invoice's id for an invoice and its
    state message, the content (`ID/SERIAL`) for an attachment, the name for an answer.
    """

    office: Office
    policy: str
    files: list[StateFile] = field(default_factory=list)
    early: dict[HubId, set[str]] = field(default_factory=dict)
    """Per invoice the attachments that came to the hub together with it."""
    had: set[HubId] = field(default_factory=set)
    """Invoices that the hub was told of before they came: whoever told has them already, and the
    hub may never list them."""
    elsewhere: set[HubId] = field(default_factory=set)
    """Invoices of which somebody else told the hub a state."""
    retried: set[HubId] = field(default_factory=set)
    """Invoices of which an update got another chance: they may be told in another order."""
    restored: int = 0
    """How often the ledger was put back: a mark may be dropped once more, to no effect."""
    broken_off: int = 0
    """How often a round broke off: the same, where it did right after the hub's clear answer."""
    taken: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What the software collected."""
    told: set[tuple[str, str]] = field(default_factory=set)
    """What ever stood in the mailbox."""
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Answers collected, by the name of their state file and their whole text."""

    # -- the software's side -------------------------------------------------------------------

    def in_mailbox(self) -> Iterator[tuple[str, str, Path]]:
        """Return what stands in the mailbox: the kind of file, what it is about, its path."""
        for path in sorted(self.office.folder("out").iterdir()):
            yield "invoice", path.stem.rsplit("@", 1)[1], path
        for path in sorted(self.office.folder("adjout").iterdir()):
            yield "attachment", path.read_bytes().decode(), path
        for path in sorted(self.office.folder("statout").iterdir()):
            (entry, *_) = feedback.read(path.read_bytes()).entries
            assert entry.hub is not None
            if entry.hub.status == "REJECTED":
                yield "answer", path.name, path
            else:
                yield "message", entry.hub.hub_id, path

    def collect(self, wanted: Callable[[int], bool] = lambda _: True) -> None:
        """Collect the files whose places in the list of all are wanted."""
        for place, (kind, about, path) in enumerate(self.in_mailbox()):
            if not wanted(place):
                continue
            if kind == "answer":
                self.answers.update(_entries(path))
            path.unlink()
            self.taken[kind, about] += 1

    def all_answers(self) -> Counter[tuple[str, str]]:
        """Return every answer so far, collected or not."""
        waiting = [path for kind, _, path in self.in_mailbox() if kind == "answer"]
        return self.answers + Counter(row for path in waiting for row in _entries(path))

    def drop(self, file: StateFile, name: str) -> None:
        """Drop a state file, for the first time or again."""
        if file not in self.files:
            self.files.append(file)
        else:
            self.retried |= {asked.hub_id for asked in file.asked}
        for asked in file.asked:
            self.note_had(asked.hub_id)
        file.names.append(name)
        self.office.drop(name, file.content)

    def note_had(self, hub_id: HubId) -> None:
        """Note that somebody speaks of an invoice; it need not come any more unless it has come."""
        if ("invoice", hub_id) not in self.told:
            self.had.add(hub_id)

    def refused(self) -> list[Update]:
        """Return the updates that `status` lists as refused."""
        with self.office.account.ledger.read() as connection:
            return updates.refused(connection, self.office.account.name)

    # -- the promises, at any time -------------------------------------------------------------

    def check(self) -> None:
        """Fail if a promise does not hold."""
        self._check_mailbox()
        self._check_what_the_hub_was_told()
        self._check_answers()

    def _check_mailbox(self) -> None:
        book = self.office.sandbox.book
        there = list(self.in_mailbox())
        self.told |= {(kind, about) for kind, about, _ in there}
        both = self.taken + Counter((kind, about) for kind, about, _ in there)
        twice = [key for key, times in both.items() if times > 1]
        assert not twice, f"more than once in the mailbox: {twice}"
        for kind, about, path in there:
            if kind == "attachment":
                assert f"@{about.split('/')[0]}@" in path.name
            if kind == "invoice":
                assert path.read_bytes() == book.held(about).facturae()
                assert ("message", about) in self.told, f"{path.name} came before its message"
                self._check_attachments_of(HubId(about))

    def _check_attachments_of(self, hub_id: HubId) -> None:
        """See that an invoice came after its attachments, those that the hub denied excepted."""
        journal = self.office.sandbox.book.requests(operation="attachment", hub_id=hub_id)
        denied = {request.attachment_id for request in journal if request.status != 200}
        denied |= {request.attachment_id for request in journal if request.fault is not None}
        for held in self.office.sandbox.book.held(hub_id).attachments:
            about = held.content.decode()
            if about in self.early[hub_id] and held.attachment.attachment_id not in denied:
                told = ("attachment", about) in self.told
                assert told, f"invoice {hub_id} came before its attachment {about}"

    def _check_what_the_hub_was_told(self) -> None:
        book = self.office.sandbox.book
        for hub_id in book.hub_ids:
            patches = book.requests(operation="update", hub_id=hub_id)
            told = [request for request in patches if request.applied]
            self._check_delivered(hub_id, patches)
            self._check_each_once(hub_id, told)
            if hub_id not in self.retried:
                self._check_order(hub_id, told)
            states = book.states(hub_id)
            assert not FINAL_STATES & set(states[:-1]), f"{hub_id} left its end: {states}"
        self._check_marks()

    def _check_delivered(self, hub_id: HubId, patches: tuple[Request, ...]) -> None:
        delivered = [request for request in patches if request.state == State.DELIVERED]
        asked = [it for it in self._asked(hub_id) if it.kind in TOLD]
        own = sum(it.kind == State.DELIVERED for it in asked)
        applied = sum(request.applied for request in delivered)
        assert applied <= 1 + own, f"{hub_id} was told DELIVERED {applied} times"
        reached = {"collected": self.taken, "stored": self.told, "never": ()}[self.policy]
        if not asked and ("invoice", hub_id) not in reached:
            assert not patches, f"{hub_id}: {patches[-1].state} though nobody said so"

    def _check_each_once(self, hub_id: HubId, told: list[Request]) -> None:
        asked = self._asked(hub_id)
        for request in told:
            if request.state == State.DELIVERED:
                continue
            same = [other for other in told if other.body == request.body]
            wanted = sum(_is_told_by(it, request) * self._chances(it) for it in asked)
            assert len(same) <= wanted, f"{hub_id} was told {request.body} {len(same)} times"

    def _check_order(self, hub_id: HubId, told: list[Request]) -> None:
        left = iter([it for it in self._asked(hub_id) if it.kind in TOLD])
        for request in told:
            if request.state == State.DELIVERED:
                continue  # may be the bridge's own
            assert any(_is_told_by(it, request) for it in left), (
                f"{hub_id} was told out of order: {[other.body for other in told]}"
            )

    def _check_marks(self) -> None:
        book = self.office.sandbox.book
        clear: Counter[str | None] = Counter()
        applied: Counter[str | None] = Counter()
        for request in book.requests(operation="acknowledge_attachment"):
            clear[request.attachment_id] += request.fault is None and request.status != 401
            applied[request.attachment_id] += request.applied
        most = 1 + self.restored + self.broken_off
        twice = [key for key, times in clear.items() if times > most]
        assert not twice, f"marks dropped again after a clear answer: {twice}"
        twice = [key for key, times in applied.items() if times > 1]
        assert not twice, f"marks dropped twice: {twice}"
        reached = self.told if self.policy == "stored" else self.taken
        for hub_id in book.hub_ids:
            for held in book.held(hub_id).attachments:
                if not held.pending:
                    about = held.content.decode()
                    assert ("attachment", about) in reached, f"mark of {about} dropped early"

    def _check_answers(self) -> None:
        answers = self.all_answers()
        for file in self.files:
            for asked in file.asked:
                codes = self._codes(asked, file, answers)
                most = len(file.names) + file.retries
                assert len(codes) <= most, f"{asked} in {file.names} was answered {codes}"
                if asked.kind in REFUSED_AT_ONCE:
                    allowed = frozenset({REFUSED_AT_ONCE[asked.kind]})
                else:
                    allowed = MAY_BE_REFUSED
                assert allowed.issuperset(codes), f"{asked} in {file.names} drew {codes}"

    def _asked(self, hub_id: HubId) -> list[Asked]:
        return [it for file in self.files for it in file.asked if it.hub_id == hub_id]

    def _chances(self, asked: Asked) -> int:
        """Return how often an update may have an effect: a detail of its own has one only once."""
        if asked.detail:
            return 1
        (file,) = (it for it in self.files if asked in it.asked and _has(it, asked))
        return len(file.names) + file.retries

    def _codes(
        self, asked: Asked, file: StateFile, answers: Mapping[tuple[str, str], int]
    ) -> list[str]:
        """Return the codes of the answers to an update."""
        place = f"(update {asked.position} of {len(file.asked)})" if asked.position else ""
        return [
            text.split()[0]
            for (name, text), times in answers.items()
            for _ in range(times)
            if name in file.names and text.endswith(place)
        ]

    # -- the promises, when all is quiet -------------------------------------------------------

    def check_end(self) -> None:
        """Fail if something has not arrived though nothing keeps it from it any more."""
        self.check()
        book = self.office.sandbox.book
        due = set(book.hub_ids) - self.had
        expected = {(kind, str(hub_id)) for hub_id in due for kind in ("invoice", "message")}
        for hub_id in book.hub_ids:
            for held in book.held(hub_id).attachments:
                expected.add(("attachment", held.content.decode()))
        missing = expected - self.taken.keys()
        assert not missing, f"never came: {sorted(missing)}"
        assert self.office.names("statin") == []
        assert not self.office.open_updates()
        self._check_lists_are_empty()
        self._check_each_update_arrived()

    def _check_lists_are_empty(self) -> None:
        book = self.office.sandbox.book
        pending = set(book.pending) - self.elsewhere
        if self.policy == "never":
            pending = {hub_id for hub_id in pending if self._arrived(hub_id)}
        assert not pending, f"still on the pending list: {pending}"
        marked = {hub_id for hub_id in book.hub_ids if book.held(hub_id).pending_attachments}
        if self.policy == "never":
            marked = {hub_id for hub_id in marked - self.elsewhere if self._arrived(hub_id)}
        assert not marked, f"attachments still marked: {marked}"

    def _arrived(self, hub_id: HubId) -> bool:
        history = self.office.sandbox.book.held(hub_id).history
        return any(it.is_in(record) for it in self._asked(hub_id) for record in history)

    def _check_each_update_arrived(self) -> None:
        book, answers = self.office.sandbox.book, self.all_answers()
        for file in self.files:
            for asked in file.asked:
                codes = self._codes(asked, file, answers)
                known = book.knows(asked.hub_id) and asked.kind in TOLD
                done = known and any(map(asked.is_in, book.held(asked.hub_id).history))
                assert done or codes, f"{asked} in {file.names}: neither done nor answered"
                if done and asked.detail and asked.hub_id not in self.retried:
                    assert not codes, f"{asked} in {file.names}: done, and answered {codes}"


def _has(file: StateFile, asked: Asked) -> bool:
    return any(it is asked for it in file.asked)


def _is_told_by(asked: Asked, request: Request) -> bool:
    """Tell whether a PATCH says what an update says."""
    if asked.kind != request.state:
        return False
    values = defaultdict(str, json.loads(request.body))
    told = (values["numeroRegistreRCF"], values["dataPagament"], values["descripcioMotiuRebuig"])
    return not asked.detail or asked.detail in told


def _entries(path: Path) -> list[tuple[str, str]]:
    """Return the state file's name and the text of each entry of an answer."""
    hubs = [entry.hub for entry in feedback.read(path.read_bytes()).entries]
    return [(hub.filename or "", hub.error_code or "") for hub in hubs if hub is not None]
