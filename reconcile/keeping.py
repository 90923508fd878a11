"""What one report leaves for the next: what was in flight, what was accepted, the summaries."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from bridge.ledger import reports
from bridge.ledger.reports import Accepted, Finding, KeptReport
from bridge.model import FeedName, HubId
from reconcile.model import FINDINGS, Acceptance, Outcome, Report, Row, Summary, Verdict

VANISHED = "the last report had it on one side, and now neither feed shows it"

_ONE_SIDED = frozenset({Outcome.IN_FLIGHT, Outcome.ONLY_LEGACY, Outcome.ONLY_REST})
_KEPT = FINDINGS | _ONE_SIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is known from the reports before."""

    last: Mapping[HubId, Finding]
    """What the last report on the same source found."""
    accepted: Mapping[HubId, Sequence[Accepted]]

    @property
    def was_in_flight(self) -> frozenset[HubId]:
        """The invoices that a report had in flight, and none since on both sides."""
        found = self.last.values()
        return frozenset(
            it.hub_id for it in found if it.outcome == Outcome.IN_FLIGHT or it.was_in_flight
        )

    @property
    def one_sided(self) -> Mapping[HubId, Finding]:
        """What the last report had on one side only."""
        return {
            it: each for it, each in self.last.items() if each.outcome in _ONE_SIDED and each.feed
        }

    def marked(self, row: Row) -> Row:
        """Return a row with the acceptance that fits it."""
        fitting = [
            each
            for each in self.accepted.get(row.hub_id, ())
            if each.fits(row.outcome, row.legacy_digest, row.rest_digest, _beside(row))
        ]
        if not fitting:
            return row
        last = fitting[-1]
        return replace(row, accepted=Acceptance(reason=last.reason, by=last.by, at=last.at))

    def in_flight_on(self, feed: FeedName) -> frozenset[HubId]:
        """Return what the last report had in flight on this side only."""
        found = self.last.values()
        return frozenset(
            it.hub_id for it in found if it.outcome == Outcome.IN_FLIGHT and it.feed == feed
        )

    def beside(self, rows: Iterable[Row]) -> list[Finding]:
        """Return what the last report found of other invoices than these: it stays remembered."""
        seen = {row.hub_id for row in rows}
        return [found for hub_id, found in self.last.items() if hub_id not in seen]

    def vanished(self, known: Collection[HubId]) -> Iterator[Row]:
        """Yield what was on one side and is on none now; `known` is what either still has."""
        for hub_id, finding in self.one_sided.items():
            if hub_id not in known:
                only = Outcome.ONLY_LEGACY if finding.feed == FeedName.LEGACY else Outcome.ONLY_REST
                row = Row(
                    hub_id=hub_id,
                    outcome=only,
                    number=finding.number,
                    supplier_nif=finding.supplier_nif,
                    issue_date=finding.issue_date,
                    amount=finding.amount,
                    legacy_digest=finding.legacy_digest,
                    rest_digest=finding.rest_digest,
                    note=VANISHED,
                    was_in_flight=True,
                )
                yield self.marked(row)


def remember(connection: Connection, account: str, source: str) -> Memory:
    """Return what the reports before have left."""
    return Memory(
        last=reports.findings(connection, account, source),
        accepted=reports.accepted(connection, account),
    )


def keep(
    connection: Connection,
    account: str,
    report: Report,
    rows: Iterable[Row],
    *,
    blockers: int,
    left: Iterable[Finding],
) -> tuple[Summary, ...]:
    """Keep a report's summary and its findings; return all summaries, this one last.

    `left` are earlier findings that this report says nothing about.
    """
    made = KeptReport(
        generated_at=report.generated_at,
        verdict=report.verdict,
        counts={outcome.value: report.counts.get(outcome, 0) for outcome in Outcome},
        blockers=blockers,
        verified_through=report.verified_through,
        since=report.since,
        until=report.until,
        legacy_source=report.legacy_source,
    )
    found = [*left, *(_finding(row) for row in rows if row.outcome in _KEPT)]
    reports.keep(connection, account, made, found)
    return history(connection, account)


def history(connection: Connection, account: str) -> tuple[Summary, ...]:
    """Return the summaries of all reports on an account, oldest first."""
    return tuple(
        Summary(
            generated_at=made.generated_at,
            verdict=Verdict(made.verdict),
            counts={Outcome(name): count for name, count in made.counts.items()},
            blockers=made.blockers,
            verified_through=made.verified_through,
        )
        for made in reports.history(connection, account)
    )


def _finding(row: Row) -> Finding:
    return Finding(
        hub_id=row.hub_id,
        outcome=row.outcome,
        feed=_feed(row),
        legacy_digest=row.legacy_digest,
        rest_digest=row.rest_digest,
        number=row.number,
        supplier_nif=row.supplier_nif,
        issue_date=row.issue_date,
        amount=row.amount,
        was_in_flight=row.was_in_flight,
        beside=_beside(row),
    )


def _beside(row: Row) -> str | None:
    """Return what makes a duplicate besides its two files, a line each; None where nothing does."""
    if row.outcome is not Outcome.DUPLICATE:
        return None
    return "\n".join((*row.further_digests, *row.duplicate_of)) or None


def _feed(row: Row) -> FeedName | None:
    """Return the side that has an invoice, where only one has."""
    if bool(row.legacy_digest) == bool(row.rest_digest):
        return None
    return FeedName.LEGACY if row.legacy_digest else FeedName.REST
