"""A report's invoices as CSV, a row each, for programs: fixed columns, English machine words.

Commas, UTF-8 without a byte order mark, as RFC 4180 has it and as every program reads it. Excel in
a Catalan or Spanish Windows expects semicolons and would show one column: people take the XLSX.
A cell that Excel would run as a formula gets an apostrophe before it; numbers stay numbers.
"""

import csv
import io
import json
import re
from collections.abc import Mapping
from datetime import datetime

from reconcile.model import Report, Row
from reconcile.rendering import sentences
from reconcile.rendering.inert import visible

COLUMNS = (
    "hub_id",
    "outcome",
    "blocks",
    "number",
    "series",
    "supplier_nif",
    "receiver_nif",
    "date",
    "amount",
    "lag_seconds",
    "legacy_first_seen",
    "rest_first_seen",
    "fields",
    "differences",
    "duplicate_of",
    "was_in_flight",
    "legacy_name",
    "rest_name",
    "legacy_sha256",
    "rest_sha256",
    "accepted_by",
    "accepted_at",
    "accepted_reason",
    "note",
)

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_STARTS_A_FORMULA = tuple("=+-@＝＋－＠")


def as_csv(report: Report) -> bytes:
    """Return the listed invoices; `differences` is JSON in a cell, as in the JSON report."""
    text, blocking = io.StringIO(), sentences.blocking(report)
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in report.rows:
        values = {**_values(row), "blocks": row.blocks and row.outcome in blocking}
        writer.writerow({name: _cell(value) for name, value in values.items()})
    return text.getvalue().encode()


def _values(row: Row) -> Mapping[str, object]:
    legacy_name, rest_name = row.names or (None, None)
    accepted = row.accepted
    return {
        "hub_id": row.hub_id,
        "outcome": row.outcome,
        "number": row.number,
        "series": row.series,
        "supplier_nif": row.supplier_nif,
        "receiver_nif": row.receiver_nif,
        "date": row.issue_date,
        "amount": row.amount,
        "lag_seconds": row.lag_seconds,
        "legacy_first_seen": row.legacy_first_seen,
        "rest_first_seen": row.rest_first_seen,
        "fields": " ".join(difference.field.replace(" ", "_") for difference in row.differences),
        "differences": _json(row),
        "duplicate_of": " ".join(row.duplicate_of),
        "was_in_flight": row.was_in_flight,
        "legacy_name": legacy_name,
        "rest_name": rest_name,
        "legacy_sha256": row.legacy_digest,
        "rest_sha256": row.rest_digest,
        "accepted_by": accepted and accepted.by,
        "accepted_at": accepted and accepted.at,
        "accepted_reason": accepted and accepted.reason,
        "note": row.note,
    }


def _json(row: Row) -> str:
    if not row.differences:
        return ""
    told = [
        {"field": difference.field, "legacy": difference.legacy, "rest": difference.rest}
        for difference in row.differences
    ]
    return json.dumps(told, ensure_ascii=False)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    text = visible(str(value), longest=32_000)  # Excel's cells end at 32,767
    if text.startswith(_STARTS_A_FORMULA) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text
