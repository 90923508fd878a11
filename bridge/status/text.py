"""A status, and the life of an invoice or an update, as text for a terminal."""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from bridge.blame import Blame
from bridge.chain import Detail, Value
from bridge.ledger.histories import AttachmentRow, AttemptRow, DeliveryRow, EventRow, FileRow
from bridge.status.facts import Status
from bridge.status.finding import Finding
from bridge.status.life import InvoiceLife, Life, UpdateLife
from bridge.status.listings import Listing
from bridge.status.page import Page, Section, page
from bridge.status.words import moment, safe

SUPPORT = "For the AOC's support"
"""Stands before what can be pasted into a mail to them."""

_LABEL = 20
"""Width of the names before the facts."""


def as_text(what: Status | Life, *, config: str = "FILE") -> str:
    """Return the text without colours; `config` is the settings file that commands are told."""
    return as_rich(what, config=config).plain


def as_rich(what: Status | Life, *, config: str = "FILE") -> Text:
    """Return the text with its colours, for `rich.Console(soft_wrap=True)`."""
    if isinstance(what, Life):
        return Text("\n".join(_life(what)) + "\n")
    return _page(page(what), config)


def command_line(finding: Finding, config: str) -> str:
    """Return the command of a finding in full, to be typed; empty where it has none."""
    if not finding.command:
        return ""
    verb, *arguments = finding.command
    return shlex.join(["efact-bridge", verb, "-c", config, *arguments])


def _page(shown: Page, config: str) -> Text:
    text = Text()
    text.append(shown.headline, "bold green" if shown.in_order else "bold yellow")
    text.append(f"{':' if shown.findings else '.'}\n")
    for number, finding in enumerate(shown.findings, start=1):
        _finding(text, number, finding, config)
    for section in shown.sections:
        _section(text, section)
    text.append(f"\n{shown.at}\n", "dim")
    return text


def _finding(text: Text, number: int, finding: Finding, config: str) -> None:
    text.append(f"  {number}. ")
    if finding.account is not None:
        text.append(f"{finding.account}: ")
    text.append(f"{finding.what}.\n", "bold")
    text.append(f"     {finding.advice}")
    command = command_line(finding, config)
    text.append(f":\n       {command}\n" if command else ".\n")
    if finding.support is not None:
        text.append(f"     {SUPPORT}: {safe(finding.support)}\n", "dim")


def _section(text: Text, section: Section) -> None:
    text.append(f"\n{section.title}\n", "bold")
    for fact in section.facts:
        text.append(f"  {fact.label:<{_LABEL}}", "dim")
        text.append(f"{fact.value}\n")
    for listing in section.listings:
        _listing(text, listing)


def _listing(text: Text, listing: Listing) -> None:
    text.append(f"  {listing.title}\n")
    for sentence in listing.clerk:
        text.append(f"    {sentence}.\n", "dim")
    for item in listing.items:
        text.append(f"    - {item.text}\n")
        if item.support is not None:
            text.append(f"      {SUPPORT}: {safe(item.support)}\n", "dim")
    if listing.more:
        text.append(f"    and {listing.more} more: `status --json` lists all\n", "dim")


def _life(what: Life) -> Iterator[str]:
    if what.invoice is not None:
        yield from _invoice(what.invoice)
    if what.invoice is not None and what.update is not None:
        yield ""
        yield f"The id {what.id} is also that of a state update:"
        yield ""
    if what.update is not None:
        yield from _update(what.update)
        yield from _events(what.update.events)


def _invoice(invoice: InvoiceLife) -> Iterator[str]:
    yield f"Invoice {safe(invoice.hub_id)}"
    if not invoice.deliveries:
        yield "  The hub has not listed it: it is only known from state updates."
    for delivery in invoice.deliveries:
        yield from _delivery(delivery)
    yield from _blame(invoice.blame)
    yield from _titled("Attachments", (_attachment(row) for row in invoice.attachments))
    yield from _titled("Files in the mailbox", (_file(row) for row in invoice.files))
    for update in invoice.updates:
        yield ""
        yield from _update(update)
    yield from _events(invoice.events)


def _delivery(row: DeliveryRow) -> Iterator[str]:
    said: dict[str, object] = {
        "account": f"{row.account}, through {row.feed}",
        "state": row.state,
        "number": row.number,
        "date": row.issue_date,
        "amount": row.amount,
        "from": row.supplier_nif,
        "to": row.receiver_nif,
        "registered": row.registration_number,
        "registered at": row.registered_at and moment(row.registered_at),
        "file": row.name,
        "SHA-256": row.digest,
        "trouble": row.trouble,
        "no receipt": row.receipt_trouble,
    }
    times: dict[str, object] = {
        step: at and moment(at)
        for step, at in (
            ("seen", row.seen_at),
            ("fetched", row.fetched_at),
            ("placed", row.placed_at),
            ("collected", row.collected_at),
            ("acknowledged", row.acknowledged_at),
            ("next try", row.next_attempt_at),
        )
    }
    yield from _facts(said | times)


def _blame(blame: Blame | None) -> Iterator[str]:
    if blame is not None:
        yield f"  {blame.clerk}."
    if blame is not None and blame.support is not None:
        yield f"  {SUPPORT}: {safe(blame.support)}"


def _facts(values: Mapping[str, object]) -> Iterator[str]:
    for label, value in values.items():
        if value is not None:
            yield f"  {label:<{_LABEL}}{safe(str(value))}"


def _titled(title: str, lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == 0:
            yield ""
            yield title
        yield f"  {line}"


def _attachment(row: AttachmentRow) -> str:
    name = f"{row.position}. {safe(row.original_name)}: {row.state}"
    return f"{name}; {safe(row.trouble)}" if row.trouble else name


def _file(row: FileRow) -> str:
    placed = f", placed {moment(row.placed_at)}" if row.placed_at else ""
    collected = f", collected {moment(row.collected_at)}" if row.collected_at else ""
    return f"{row.folder}/{safe(row.name)}{placed}{collected}"


def _update(update: UpdateLife) -> Iterator[str]:
    row = update.row
    refusal = f"{row.refusal_code} {row.refusal_reason}" if row.refusal_code else None
    yield f"State update {row.id}"
    yield from _facts(
        {
            "account": row.account,
            "invoice": row.hub_id or "none found",
            "state": row.asked_state,
            "register number": row.register_number,
            "reason code": row.reason_code,
            "reason": row.reason,
            "paid on": row.paid_on,
            "state file": f"{row.file}, update {row.position} of {row.total}",
            "now": row.status if row.outcome is None else f"{row.status}, {row.outcome}",
            "refused because": refusal,
            "trouble": row.trouble,
            "queued": moment(row.queued_at),
            "settled": row.settled_at and moment(row.settled_at),
            "answered": row.answered_at and moment(row.answered_at),
            "next try": row.next_attempt_at and moment(row.next_attempt_at),
        }
    )
    yield from _blame(update.blame)
    for attempt in update.attempts:
        yield f"  {'tried':<{_LABEL}}{_attempt(attempt)}"


def _attempt(row: AttemptRow) -> str:
    sent = ", ".join(f"{key} = {value}" for key, value in (row.sent or {}).items())
    shown = f"; the hub then showed it as {row.shown}" if row.shown else ""
    answer = safe(row.answer) if row.answer is not None else "no answer"
    return f"{moment(row.at)}: {safe(sent) or 'only asked'}: {answer}{shown}"


def _events(events: tuple[EventRow, ...]) -> Iterator[str]:
    yield from _titled("What happened", (_event(row) for row in events))


def _event(row: EventRow) -> str:
    detail = _told(row.detail)
    return f"{moment(row.at)}  {row.actor:<8}  {row.kind}{': ' + safe(detail) if detail else ''}"


def _told(detail: Detail) -> str:
    """Return an event's detail in a line; digests and what is listed elsewhere stay in the JSON."""
    return ", ".join(
        f"{key} {text}"
        for key, value in detail.items()
        if key not in _TOLD_ELSEWHERE and (text := _one_line(value))
    )


_TOLD_ELSEWHERE = frozenset({"contents", "attachments"})


def _one_line(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        if "folder" in value:
            return f"{value['folder']}/{value['name']}"
        return f"({_told(value)})"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(map(_one_line, value))
    return str(value)
