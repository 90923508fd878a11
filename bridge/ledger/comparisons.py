"""What the two files of an invoice say differently, kept under the digests of both.

It follows from their bytes alone, so it cannot become outdated: other bytes have another digest,
and what another version of these rules found is not used. Nothing here is told by events; what is
missing is found out anew.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, text, update

from bridge import __version__
from bridge.ledger.schema import comparison, doubt
from bridge.model import Digest, HubId
from bridge.recorded import Difference
from bridge.xml_facts import Compared

RULES = __version__
"""By what files are compared now: each version may have learned something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """The files that both feeds gave of an invoice; None: one of them did not."""

    hub_id: HubId
    legacy: Digest | None
    rest: Digest | None


_KNOWN = """
SELECT equivalent, differences, xml FROM comparison
WHERE account = ? AND legacy_digest = ? AND rest_digest = ? AND rules = ?
"""
_UNCOMPARED = text("""
SELECT d.hub_id, a.digest AS legacy, b.digest AS rest FROM doubt d INDEXED BY doubt_uncompared
LEFT JOIN delivery a ON a.account = d.account AND a.feed = 'legacy' AND a.hub_id = d.hub_id
LEFT JOIN delivery b ON b.account = d.account AND b.feed = 'rest' AND b.hub_id = d.hub_id
WHERE d.account = :account AND d.uncompared = 1 AND d.why = 'files' LIMIT :most
""")
_DONE = (
    update(doubt)
    .where(
        doubt.c.account == bindparam("of"),
        doubt.c.hub_id == bindparam("id"),
        doubt.c.why == "files",
    )
    .values(uncompared=0)
)


def known(connection: Connection, account: str, legacy: Digest, rest: Digest) -> Compared | None:
    """Return what these two files say differently, if it was found out by the rules of now."""
    found = connection.exec_driver_sql(_KNOWN, (account, legacy, rest, RULES)).first()
    if found is None:
        return None
    differences = () if found.equivalent else json.loads(found.differences)
    return Compared(
        equivalent=bool(found.equivalent),
        differences=tuple(Difference(**each) for each in differences),
        xml=() if found.equivalent else tuple(json.loads(found.xml)),
    )


def uncompared(connection: Connection, account: str, *, most: int) -> list[Both]:
    """Return invoices whose files were not compared since one of them came, so many at most."""
    rows = connection.execute(_UNCOMPARED, {"account": account, "most": most})
    return [Both(hub_id=row.hub_id, legacy=row.legacy, rest=row.rest) for row in rows]


def keep(
    connection: Connection,
    account: str,
    found: Sequence[tuple[Digest, Digest, Compared]],
    *,
    done: Sequence[HubId],
) -> None:
    """Keep what was found out of pairs of files, and that these invoices were looked at."""
    rows = [
        {
            "account": account,
            "legacy_digest": legacy,
            "rest_digest": rest,
            "rules": RULES,
            "equivalent": compared.equivalent,
            "differences": [asdict(each) for each in compared.differences],
            "xml": list(compared.xml),
        }
        for legacy, rest, compared in found
    ]
    if rows:
        connection.execute(insert(comparison).prefix_with("OR REPLACE"), rows)
    if done:
        connection.execute(_DONE, [{"of": account, "id": hub_id} for hub_id in done])


def is_outdated(connection: Connection, account: str) -> bool:
    """Tell whether anything was found out by the rules of another version."""
    return connection.execute(select(comparison.c.rules).where(_older(account))).first() is not None


def forget_outdated(connection: Connection, account: str) -> None:
    """Drop what other versions found out, and have those files compared again."""
    connection.execute(delete(comparison).where(_older(account)))
    connection.execute(update(doubt).where(doubt.c.account == account).values(uncompared=1))


def _older(account: str) -> ColumnElement[bool]:
    return (comparison.c.account == account) & (comparison.c.rules != RULES)


def forget_file(connection: Connection, account: str, digest: Digest) -> None:
    """Drop what was found out of a file: it leaves the archive."""
    for column in (comparison.c.legacy_digest, comparison.c.rest_digest):
        connection.execute(
            delete(comparison).where(comparison.c.account == account, column == digest)
        )


def every(connection: Connection, account: str) -> Iterator[tuple[Digest, Digest]]:
    """Yield the pairs of files of which something is kept by the rules of now."""
    pairs = select(comparison.c.legacy_digest, comparison.c.rest_digest)
    rows = connection.execute(
        pairs.where(comparison.c.account == account, comparison.c.rules == RULES)
    )
    yield from ((Digest(legacy), Digest(rest)) for legacy, rest in rows)
