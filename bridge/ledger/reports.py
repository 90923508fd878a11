"""What is kept of reports: a summary of each, what the last ones found, and what was accepted.

Summaries and acceptances are told by events. The findings of the last report on each source only
stand in their table: the next report finds them again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from bridge.chain import Value
from bridge.ledger import events
from bridge.ledger.rows import answers
from bridge.ledger.schema import accepted_finding, finding, first_listed, report
from bridge.model import HubId

MADE = "report made"
ACCEPTED = "finding accepted"
"""The kinds of the events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReport:
    """The summary of a report."""

    generated_at: datetime
    verdict: str
    counts: Mapping[str, int]
    blockers: int
    verified_through: datetime | None
    since: date | None
    until: date | None
    legacy_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a report found of an invoice; in flight counts too: the next one must know."""

    hub_id: HubId
    outcome: str
    feed: str | None = None
    """The side that has it, where only one has."""
    legacy_digest: str | None = None
    rest_digest: str | None = None
    number: str | None = None
    supplier_nif: str | None = None
    issue_date: date | None = None
    amount: str | None = None
    was_in_flight: bool = False
    """An earlier report had it in flight."""
    beside: str | None = None
    """What made it a duplicate: further files and other hub ids, a line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A finding that an administrator took responsibility for, as it was then."""

    hub_id: HubId
    outcome: str
    legacy_digest: str | None
    rest_digest: str | None
    reason: str
    by: str
    at: datetime
    beside: str | None = None
    """Of a duplicate: further files and other hub ids, a line each."""

    def fits(
        self, outcome: str, legacy_digest: str | None, rest_digest: str | None, beside: str | None
    ) -> bool:
        """Tell whether this is still what was accepted: the same outcome, the same files."""
        same = (self.outcome, self.legacy_digest, self.rest_digest, self.beside)
        return same == (outcome, legacy_digest, rest_digest, beside)


def keep(
    connection: Connection, account: str, made: KeptReport, findings: Iterable[Finding]
) -> None:
    """Write down the summary of a report, with its event, and its findings for the next one."""
    add_report(connection, account, made)
    events.record(
        connection, account, MADE, at=made.generated_at, actor="operator", also=as_detail(made)
    )
    source = made.legacy_source
    connection.execute(delete(finding).where(_of_source(account, source)))
    rows = [{"account": account, "legacy_source": source, **asdict(each)} for each in findings]
    if rows:
        connection.execute(insert(finding), rows)


def add_report(connection: Connection, account: str, made: KeptReport) -> None:
    """Write down the summary of a report."""
    connection.execute(insert(report).values(account=account, **asdict(made)))


def history(connection: Connection, account: str) -> list[KeptReport]:
    """Return the summaries of all reports on an account, oldest first."""
    rows = select(report).where(report.c.account == account)
    return answers(connection, KeptReport, rows.order_by(report.c.generated_at, report.c.id))


def last(connection: Connection, account: str) -> KeptReport | None:
    """Return the summary of the last report on an account."""
    rows = select(report).where(report.c.account == account)
    found = answers(connection, KeptReport, rows.order_by(report.c.id.desc()).limit(1))
    return found[0] if found else None


def findings(connection: Connection, account: str, source: str) -> dict[HubId, Finding]:
    """Return what the last report on this source found."""
    rows = select(finding).where(_of_source(account, source))
    return {each.hub_id: each for each in answers(connection, Finding, rows)}


def _of_source(account: str, source: str) -> ColumnElement[bool]:
    return (finding.c.account == account) & (finding.c.legacy_source == source)


def first_sights(
    connection: Connection, account: str, hub_ids: Sequence[HubId], *, now: datetime
) -> dict[HubId, datetime]:
    """Return when a report first saw each of these on the hub's list; it may be now.

    Nothing else has recorded them: without this each report would see them for the first time.
    """
    if hub_ids:
        rows = [{"account": account, "hub_id": hub_id, "at": now} for hub_id in hub_ids]
        connection.execute(insert(first_listed).prefix_with("OR IGNORE"), rows)
    seen = select(first_listed.c.hub_id, first_listed.c.at).where(first_listed.c.account == account)
    return {HubId(hub_id): at for hub_id, at in connection.execute(seen)}


def accept(connection: Connection, account: str, accepted: Accepted) -> None:
    """Write down that somebody took responsibility for a finding, with its event."""
    add_accepted(connection, account, accepted)
    events.record(
        connection,
        account,
        ACCEPTED,
        at=accepted.at,
        actor=accepted.by,
        hub_id=accepted.hub_id,
        outcome=accepted.outcome,
        legacy_digest=accepted.legacy_digest,
        rest_digest=accepted.rest_digest,
        beside=accepted.beside,
        reason=accepted.reason,
    )


def add_accepted(connection: Connection, account: str, accepted: Accepted) -> None:
    """Write down an acceptance."""
    connection.execute(insert(accepted_finding).values(account=account, **asdict(accepted)))


def accepted(connection: Connection, account: str) -> dict[HubId, list[Accepted]]:
    """Return what was accepted, by hub id, oldest first."""
    rows = select(accepted_finding).where(accepted_finding.c.account == account)
    found: dict[HubId, list[Accepted]] = {}
    for each in answers(connection, Accepted, rows.order_by(accepted_finding.c.id)):
        found.setdefault(each.hub_id, []).append(each)
    return found


def as_detail(made: KeptReport) -> dict[str, Value]:
    """Return a summary as an event tells it."""
    return {
        "verdict": made.verdict,
        "counts": dict(made.counts),
        "blockers": made.blockers,
        "verified_through": _written(made.verified_through),
        "since": _written(made.since),
        "until": _written(made.until),
        "legacy_source": made.legacy_source,
    }


def from_detail(detail: Mapping[str, Any], *, at: datetime) -> KeptReport:
    """Return the summary of which an event tells."""
    return KeptReport(
        generated_at=at,
        verdict=str(detail["verdict"]),
        counts={str(name): int(count) for name, count in detail["counts"].items()},
        blockers=int(detail["blockers"]),
        verified_through=_moment(detail["verified_through"]),
        since=_day(detail["since"]),
        until=_day(detail["until"]),
        legacy_source=str(detail["legacy_source"]),
    )


def _written(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def _moment(text: Value) -> datetime | None:
    return None if text is None else datetime.fromisoformat(str(text))


def _day(text: Value) -> date | None:
    return None if text is None else date.fromisoformat(str(text))
