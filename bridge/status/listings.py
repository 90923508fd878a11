"""The lists of a status in words: what is listed of an account, and of whose trouble it tells."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from bridge.blame import Blame
from bridge.ledger.cut_offs import CutOff
from bridge.ledger.drift import DriftRow
from bridge.ledger.summary import (
    HeldBack,
    HeldBackAttachment,
    Refused,
    Uncollected,
    Waiting,
    WithoutReceipt,
)
from bridge.ledger.visitors import BanRow, ClientRow, VisitRow
from bridge.status import blaming
from bridge.status.facts import AccountStatus, Status
from bridge.status.shadow import Gap, ShadowStatus, UnreadFile
from bridge.status.words import counted, moment, safe, size, span

MOST_ITEMS = 20
"""Lines of one list; `--json` has them all."""

Row = TypeVar("Row")


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


def listings(status: Status, account: AccountStatus) -> Iterator[Listing]:
    """Yield the lists of an account, the urgent first; some may have no items."""
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
