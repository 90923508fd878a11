"""A report as JSON, for scripts: the same report gives the same bytes."""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from math import isinf
from typing import Any

from bridge.recorded import Difference
from reconcile.model import (
    Acceptance,
    Evidence,
    Gap,
    Lag,
    Outcome,
    Reason,
    Report,
    Row,
    StateRow,
    Summary,
)

SCHEMA = 1

Say = Callable[[Reason], str]
"""Turns a reason into a sentence."""


def as_json(report: Report, say: Say) -> str:
    """Return the report as JSON, with a line end; sentences of reasons come from `say`."""
    return f"{json.dumps(document(report, say), indent=2, ensure_ascii=False)}\n"


def document(report: Report, say: Say) -> dict[str, Any]:
    """Return the report as JSON knows it."""
    return {
        "schema": SCHEMA,
        "account": report.account,
        "generated_at": _time(report.generated_at),
        "since": _day(report.since),
        "until": _day(report.until),
        "verified_through": _time(report.verified_through),
        "verdict": report.verdict,
        "reasons": [say(reason) for reason in report.reasons],
        "counts": _counts(report.counts),
        "invoices": [_row(row) for row in report.rows],
        "remarks": [say(reason) for reason in report.remarks],
        "reason_kinds": [_reason(reason) for reason in report.reasons],
        "grace_seconds": report.grace_seconds,
        "legacy_source": report.legacy_source,
        "rest_source": report.rest_source,
        "version": report.version,
        "evidence": _evidence(report.evidence),
        "states": [_state(row) for row in report.states],
        "name_differences": report.name_differences,
        "capped_slices": list(report.capped_slices),
        "gaps": [_gap(gap) for gap in report.gaps],
        "lag": _lag(report.lag),
        "days": [
            {
                "day": _day(day.day),
                "legacy": day.legacy,
                "rest": day.rest,
                "findings": day.findings,
            }
            for day in report.days
        ],
    }


def history_as_json(account: str, history: tuple[Summary, ...]) -> str:
    """Return the summaries of an account's reports as JSON, oldest first."""
    told = {"schema": SCHEMA, "account": account, "reports": [_summary(each) for each in history]}
    return f"{json.dumps(told, indent=2, ensure_ascii=False)}\n"


def _counts(counts: Mapping[Outcome, int]) -> dict[str, int]:
    return {outcome.value: counts.get(outcome, 0) for outcome in Outcome}


def _row(row: Row) -> dict[str, Any]:
    told: dict[str, Any] = {
        "hub_id": row.hub_id,
        "outcome": row.outcome,
        "number": row.number,
        "supplier_nif": row.supplier_nif,
        "date": _day(row.issue_date),
        "amount": row.amount,
        "differences": [_difference(each) for each in row.differences],
        "lag_seconds": row.lag_seconds,
        "series": row.series,
        "receiver_nif": row.receiver_nif,
        "accepted": _acceptance(row.accepted),
    }
    also = {
        "note": row.note,
        "duplicate_of": list(row.duplicate_of),
        "was_in_flight": row.was_in_flight,
        "names": dict(zip(("legacy", "rest"), row.names, strict=True)) if row.names else None,
        "xml_difference": list(row.xml_difference),
    }
    return told | {name: value for name, value in also.items() if value}


def _difference(each: Difference) -> dict[str, str | None]:
    return {"field": each.field, "legacy": each.legacy, "rest": each.rest}


def _acceptance(accepted: Acceptance | None) -> dict[str, Any] | None:
    if accepted is None:
        return None
    return {"reason": accepted.reason, "by": accepted.by, "at": _time(accepted.at)}


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "kind": reason.kind,
        "count": reason.count,
        "wanted": reason.wanted,
        "names": list(reason.names),
        "said": reason.said,
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "invoices": evidence.invoices,
        "days": round(evidence.days, 3),
        "entities_seen": list(evidence.entities_seen),
        "entities_not_seen": list(evidence.entities_not_seen),
        "states_seen": list(evidence.states_seen),
        "states_not_seen": list(evidence.states_not_seen),
        "attachments": evidence.attachments,
        "receipts": evidence.receipts,
        "state_updates": evidence.state_updates,
        "older_states": evidence.older_states,
        "names": evidence.names,
        "older_names": evidence.older_names,
    }


def _state(row: StateRow) -> dict[str, Any]:
    return {
        "hub_id": row.hub_id,
        "file": row.file,
        "position": row.position,
        "state": row.state,
        "parity": row.parity,
        "differences": [_difference(each) for each in row.differences],
        "said": row.said,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "feed": gap.feed,
        "since": _time(gap.since),
        "until": _time(gap.until),
        "said": gap.said,
    }


def _lag(lag: Lag | None) -> dict[str, Any] | None:
    if lag is None:
        return None
    return {
        "count": lag.count,
        "median": lag.median,
        "p95": lag.p95,
        "worst": lag.worst,
        "histogram": [
            {"up_to": None if isinf(bound) else bound, "count": count}
            for bound, count in lag.histogram
        ],
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "generated_at": _time(summary.generated_at),
        "verdict": summary.verdict,
        "counts": _counts(summary.counts),
        "blockers": summary.blockers,
        "verified_through": _time(summary.verified_through),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
