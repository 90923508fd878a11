"""A status in words: what the terminal and the web page both show, the important first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bridge.ledger.summary import ComponentRow
from bridge.model import DeliveryState, UpdateStatus
from bridge.status.facts import AccountStatus, Status
from bridge.status.finding import Finding
from bridge.status.findings import findings
from bridge.status.listings import Listing, listings
from bridge.status.shadow import ShadowStatus
from bridge.status.words import counted, moment, safe, size, span

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A line with its name before it."""

    label: str
    value: str


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
        listings=tuple(listing for listing in listings(status, account) if listing.items),
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
