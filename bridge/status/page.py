"""A status in words: what the terminal and the web page both show, the important first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from bridge.blame import Blame
from bridge.ledger.cut_offs import CutOff
from bridge.ledger.drift import DriftRow
from bridge.ledger.summary import (
    ComponentRow,
    HeldBack,
    HeldBackAttachment,
    Refused,
    Uncollected,
    Waiting,
    WithoutReceipt,
)
from bridge.ledger.visitors import BanRow, ClientRow, VisitRow
from bridge.model import DeliveryState, UpdateStatus
from bridge.status import blaming
from bridge.status.facts import AccountStatus, Status
from bridge.status.finding import Finding
from bridge.status.findings import findings
from bridge.status.shadow import Gap, ShadowStatus, UnreadFile
from bridge.status.words import counted, moment, safe, size, span

MOST_ITEMS = 20
"""Lines of one list; `--json` has them all."""

Row = TypeVar("Row")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A line with its name before it."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A line of a list; `support` can be pasted into a mail to the AOC's support."""

    text: str
    support: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list of which the first items are shown; `more` are not.

    `clerk` says whose trouble it is, and what happens next.
    """

    title: str
    items: tuple[Item, ...]
    more: int
    clerk: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What is told of an account, or of the machine."""

    title: str
    facts: tuple[Fact, ...]
    listings: tuple[Listing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole of it."""

    at: str
    in_order: bool
    headline: str
    findings: tuple[Finding, ...]
    sections: tuple[Section, ...]


def page(status: Status) -> Page:
    """Return a status in words."""
    found = findings(status)
    needs = "thing needs" if len(found) == 1 else "things need"
    return Page(
        at=moment(status.at),
        in_order=not found,
        headline=f"{len(found)} {needs} a look" if found else "Everything is in order",
        findings=found,
        sections=(*(_account(status, account) for account in status.accounts), _machine(status)),
    )


def _account(status: Status, account: AccountStatus) -> Section:
    return Section(
        title=f"Account {account.name}",
        facts=tuple(_facts(status, account)),
        listings=tuple(listing for listing in _listings(status, account) if listing.items),
    )


_STEPS = {
    DeliveryState.SEEN: "on the way",
    DeliveryState.FETCHED: "fetched",
    DeliveryState.PLACED: "in the mailbox",
    DeliveryState.COLLECTED: "collected",
    DeliveryState.ACKNOWLEDGED: "collected and acknowledged",
}

_STATUSES = {
    UpdateStatus.QUEUED: "queued",
    UpdateStatus.SENDING: "being sent",
    UpdateStatus.ACCEPTED: "accepted",
    UpdateStatus.REFUSED: "refused",
}


def _facts(status: Status, account: AccountStatus) -> Iterator[Fact]:
    poll = account.row.last_poll
    yield Fact(label="Invoices", value=_counts(account.deliveries, _STEPS))
    if account.handed_over:
        told = f"{counted(account.handed_over, 'invoice')} of those counted as collected: "
        told += "a rollback put them into a folder, to be imported from there"
        yield Fact(label="In a folder", value=told)
    yield Fact(label="Not collected", value=_not_collected(status, account))
    yield Fact(label="State updates", value=_counts(account.updates, _STATUSES))
    if account.found_applied:
        writes = counted(account.found_applied, "write")
        told = f"{writes} after an unclear answer: the hub had taken them and was not told twice"
        yield Fact(label="Found applied", value=told)
    asked = "never" if poll is None else f"{span(status.age(poll))} ago"
    feed = "Old mailbox read" if account.old_mailbox else "Hub last asked"
    yield Fact(label=feed, value=asked)
    yield Fact(label="Software last came", value=_last_came(status, account))
    if account.cut_off_bytes:
        told = f"{size(account.cut_off_bytes)} kept, of {size(account.cut_off_most)} at most"
        yield Fact(label="Uploads cut off", value=told)
    yield Fact(label="Mailbox filled by", value=account.serve)
    if account.shadow_feed is not None:
        yield Fact(label="Shadow feed", value=_shadow(status, account.shadow_feed))


def _shadow(status: Status, shadow: ShadowStatus) -> str:
    last = shadow.row.last_listing_at
    listed = "not listed yet" if last is None else f"listed {span(status.age(last))} ago"
    announced = f", {shadow.announced} still to come" if shadow.announced else ""
    if shadow.row.vanished:  # nothing to look at: it may have been emptied by who uses it
        announced += f"; suddenly empty ({shadow.row.vanished} were there): the next look tells"
    gaps = f"; {counted(len(shadow.gaps), 'gap')} in its recording" if shadow.gaps else ""
    recorded = counted(shadow.recorded, "delivery", "deliveries")
    return f"{shadow.feed}, {listed}; {recorded} recorded{announced}{gaps}"


def _counts(counts: Mapping[Key, int], names: Mapping[Key, str]) -> str:
    return (
        ", ".join(f"{counts[key]} {name}" for key, name in names.items() if counts[key]) or "none"
    )


def _not_collected(status: Status, account: AccountStatus) -> str:
    oldest = status.oldest_uncollected(account)
    if oldest is None:
        return "none"
    return f"{counted(len(account.uncollected), 'invoice')}, the oldest for {span(oldest)}"


def _last_came(status: Status, account: AccountStatus) -> str:
    if account.here:
        return f"{counted(len(account.here), 'connection')} now"
    if account.last_came is None:
        return "never"
    return f"{span(status.age(account.last_came))} ago"


def _listings(status: Status, account: AccountStatus) -> Iterator[Listing]:
    lately = status.refused_lately(account)
    say, caller = _Sayer(status), account.caller
    held_back = partial(blaming.of_held_back, account)
    yield _listing("Held back", account.held_back, say.held_back, blame=held_back)
    yield _listing(
        "Refused state updates",
        tuple(reversed(lately)),
        say.refused,
        blame=partial(blaming.of_refused, caller),
        older=len(account.refused) - len(lately),
    )
    yield _listing(
        "State updates that wait",
        account.waiting,
        say.waiting,
        blame=partial(blaming.of_waiting, account),
    )
    yield _listing(
        f"Not collected for more than {span(status.uncollected_after)}",
        status.uncollected_long(account),
        say.uncollected,
    )
    yield _listing(
        "Attachments held back", account.held_back_attachments, say.attachment, blame=held_back
    )
    yield _listing("Not acknowledged yet", account.not_acknowledged, say.held_back, blame=held_back)
    yield _listing("Not recognised in statin", account.unrecognised_files, safe)
    yield _listing("Uploads cut off in the last day", account.cut_off, say.cut_off)
    yield _listing(
        "Uploads cut off when `serve` was killed (kept at its next start)",
        account.not_kept_yet,
        safe,
    )
    yield _listing("Connected now", account.here, say.visit)
    yield _listing(
        "Banned after too many failed logins (`efact-bridge unban` lets them in again)",
        account.banned,
        say.ban,
    )
    yield _listing("Programs that come", status.clients_lately(account), say.client)
    yield _listing("Placed without a receipt", account.without_receipt, say.without_receipt)
    yield _listing("The hub's answers differ from its contract", account.drift, say.drift)
    yield _listing("The hub's list is cut off for", account.row.capped_slices, safe)
    if account.shadow_feed is not None:
        yield from _shadow_listings(account.shadow_feed, say)


def _shadow_listings(shadow: ShadowStatus, say: "_Sayer") -> Iterator[Listing]:
    yield _listing("Not recorded of the shadow feed", shadow.troubles, say.held_back)
    yield _listing(
        "Attachments of the shadow feed not recorded", shadow.attachment_troubles, say.attachment
    )
    yield _listing("Files of the old mailbox not read", shadow.unread, say.unread)
    yield _listing("Files of the old mailbox without an invoice", shadow.unrecognised, safe)
    yield _listing("Gaps in the recording", tuple(reversed(shadow.gaps)), say.gap)
    yield _listing("The shadow feed's list is cut off for", shadow.row.capped_slices, safe)


def _nobody(_: object) -> None:
    """Return whom to blame for what is no trouble."""


def _listing(
    title: str,
    rows: Sequence[Row],
    say: Callable[[Row], str],
    *,
    blame: Callable[[Row], Blame | None] = _nobody,
    older: int = 0,
) -> Listing:
    shown = rows[:MOST_ITEMS]
    blames = [blame(row) for row in shown]
    items = tuple(
        Item(text=say(row), support=None if it is None else it.support)
        for row, it in zip(shown, blames, strict=True)
    )
    return Listing(
        title=title,
        items=items,
        more=len(rows) - len(items) + older,
        clerk=blaming.sentences(blames),
    )


class _Sayer:
    """Puts rows into words; ages count to the time of the status."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def held_back(self, row: HeldBack) -> str:
        about = f"invoice {safe(row.hub_id)}, for {self._age(row.seen_at)}"
        return f"{about}: {safe(row.trouble)}{self._next(row.next_attempt_at)}"

    def attachment(self, row: HeldBackAttachment) -> str:
        about = f"{safe(row.original_name)} of invoice {safe(row.hub_id)}"
        return f"{about}: {safe(row.trouble)}{self._next(row.next_attempt_at)}"

    def refused(self, row: Refused) -> str:
        asked = f"update {row.id}, {_change(row.asked_state, row.hub_id)}"
        answer = f"{safe(row.refusal_code)} {safe(row.refusal_reason)}"
        return f"{asked}: {answer} ({safe(row.file)}, {self._age(row.settled_at)} ago)"

    def waiting(self, row: Waiting) -> str:
        about = f"update {row.id}, {_change(row.state, row.hub_id)}, for {self._age(row.queued_at)}"
        trouble = f": {safe(row.trouble)}" if row.trouble else ""
        return f"{about}{trouble}{self._next(row.next_attempt_at)}"

    def uncollected(self, row: Uncollected) -> str:
        return f"invoice {safe(row.hub_id)}, {self._age(row.placed_at)}: {safe(row.name or '')}"

    def without_receipt(self, row: WithoutReceipt) -> str:
        return f"invoice {safe(row.hub_id)}: {safe(row.receipt_trouble)}"

    def cut_off(self, row: CutOff) -> str:
        came = f"{size(row.size)} came, {self._age(row.taken_at)} ago"
        return f"{safe(row.name)}: {came}, to {row.folder} by {safe(row.user)}"

    def visit(self, row: VisitRow) -> str:
        program = f", {safe(row.program)}" if row.program else ""
        door = row.protocol.upper()
        return f"{row.user} from {row.address} over {door} for {self._age(row.since)}{program}"

    def ban(self, row: BanRow) -> str:
        left = span((row.until - self._status.at).total_seconds())
        return f"{safe(row.subject)}, for {left} more"

    def client(self, row: ClientRow) -> str:
        times = f"{counted(row.visits, 'visit')}, last {self._age(row.last_at)} ago"
        return f"{row.user} over {row.protocol.upper()}: {safe(_program(row.program))}; {times}"

    def drift(self, row: DriftRow) -> str:
        times = f"in {counted(row.times, 'answer')} to {row.call}"
        ages = f"first {self._age(row.first_at)} ago, last {self._age(row.last_at)} ago"
        return f"{row.kind} {safe(row.name)} {times}; {ages}"

    def unread(self, row: UnreadFile) -> str:
        return f"{safe(row.path)}: {safe(row.reason)}"

    def gap(self, row: Gap) -> str:
        length = span((row.until - row.since).total_seconds())
        reason = f": {safe(row.said)}" if row.said else ""
        return f"{moment(row.since)} to {moment(row.until)}, {length}{reason}"

    def _age(self, then: datetime) -> str:
        return span(self._status.age(then))

    def _next(self, at: datetime | None) -> str:
        if at is None:
            return ""
        wait = (at - self._status.at).total_seconds()
        return f"; next try in {span(wait)}" if wait > 0 else "; next try now"


def _program(program: Mapping[str, Any]) -> str:
    """Return a program in a line: what it calls itself, and what was agreed on."""
    agreed = [
        f"TLS: {value}" if kind == "tls" else str(value)
        for kind, value in program.get("agreed", {}).items()
        if value and kind in _AGREED
    ]
    return ", ".join([*([program["name"]] if program.get("name") else []), *agreed])


_AGREED = ("tls", "key_exchange", "host_key", "cipher", "mac")


def _change(state: str | None, hub_id: str | None) -> str:
    invoice = "no invoice" if hub_id is None else f"invoice {safe(hub_id)}"
    return f"{state} for {invoice}" if state else invoice


def _machine(status: Status) -> Section:
    return Section(title="This machine", facts=tuple(_machine_facts(status)))


_REACHABLE = {None: "not asked", True: "answers", False: "does not answer"}


def _machine_facts(status: Status) -> Iterator[Fact]:
    yield Fact(label="Hub", value=_REACHABLE[status.hub_reachable])
    if status.clock_offset is not None:
        yield Fact(label="Clock", value=f"{abs(status.clock_offset):.1f} s from the hub's")
    free = status.disk_free_bytes
    yield Fact(label="Disk space free", value="unknown" if free is None else size(free))
    running = ", ".join(_component(part) for part in status.components)
    yield Fact(label="Running", value=running or "nothing: `serve` does not run")


def _component(part: ComponentRow) -> str:
    restarts = f", started again {counted(part.restarts, 'time')}" if part.restarts else ""
    failed = "" if part.running else " (failed)"
    return f"{safe(part.name)}{failed}{restarts}"
