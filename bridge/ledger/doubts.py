"""Which invoices the two feeds may not have given alike, marked as their rows are written.

Of a million invoices a report needs to look at those that may be findings. Triggers in the database
keep them in the table `doubt`, each with why, and beside what both feeds gave how much later REST
showed it (`delivery.lag`). What a trigger writes for one invoice is the same statement that finds
all of them (`_ALL`): so `verify` can find them anew and compare.

A mark says too much rather than too little: what is marked is compared closely, and may turn out to
be the same.
"""

from collections.abc import Iterator
from enum import StrEnum

from sqlalchemy import Connection, text


class Why(StrEnum):
    """Why an invoice is marked."""

    FILES = "files"
    """One feed alone gave it, the bytes differ, or a file cannot be read."""
    REGISTRATION = "registration"
    """Both say a registration number, and not the same."""
    TWICE = "twice"
    """The old mailbox gave several files under its hub id."""
    TWINS = "twins"
    """REST gave the same invoice under another hub id, too."""


_KEY = ("issue_date", "supplier_nif", "file_number")
_KNOWN = " AND ".join(f"d.{name} IS NOT NULL" for name in _KEY)
_SAME = " AND ".join(f"o.{name} = d.{name}" for name in _KEY)
# In each, `d` is the invoice, and what stands for `{0}` may choose one.
_ALL = {
    Why.FILES: """
SELECT d.account, d.hub_id, 'files' FROM delivery d
WHERE (d.feed = 'rest' OR d.recorded_at IS NOT NULL){0}
GROUP BY d.account, d.hub_id
HAVING count(*) <> 2 OR count(d.digest) <> 2 OR min(d.digest) <> max(d.digest)
OR count(d.unreadable) > 0
""",
    Why.REGISTRATION: """
SELECT d.account, d.hub_id, 'registration' FROM delivery d JOIN delivery o
ON o.account = d.account AND o.feed = 'rest' AND o.hub_id = d.hub_id
WHERE d.feed = 'legacy' AND d.recorded_at IS NOT NULL
AND d.registration_number <> o.registration_number{0}
""",
    Why.TWICE: """
SELECT d.account, d.hub_id, 'twice' FROM recorded_file d
WHERE d.kind = 'invoice' AND d.hub_id IS NOT NULL{0}
GROUP BY d.account, d.hub_id HAVING min(d.digest) <> max(d.digest)
""",
    Why.TWINS: f"""
SELECT d.account, d.hub_id, 'twins' FROM delivery d
WHERE d.feed = 'rest' AND {_KNOWN} AND EXISTS (SELECT 1 FROM delivery o
  WHERE o.account = d.account AND o.feed = 'rest' AND {_SAME}
  AND o.file_series IS d.file_series AND o.hub_id <> d.hub_id){{0}}
""",
}
_LAG = """
SELECT julianday(o.seen_at) - julianday(delivery.recorded_at) FROM delivery o
WHERE o.account = delivery.account AND o.feed = 'rest' AND o.hub_id = delivery.hub_id
"""
_INSERT = "INSERT INTO doubt (account, hub_id, why)"


def renew(connection: Connection) -> None:
    """Mark everything anew, and have the marks kept from now on."""
    drop(connection)
    connection.exec_driver_sql("DELETE FROM doubt")
    for found in _ALL.values():
        connection.exec_driver_sql(f"{_INSERT} {found.format('')}")
    connection.exec_driver_sql(f"UPDATE delivery SET lag = ({_LAG}) WHERE feed = 'legacy'")
    for name, trigger in _triggers():
        connection.exec_driver_sql(f"CREATE TRIGGER {name} {trigger}")


def drop(connection: Connection) -> None:
    """Keep no marks until they are renewed."""
    for name, _ in _triggers():
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")


def wrong(connection: Connection, account: str) -> Iterator[str]:
    """Find all doubts of an account anew; yield what the marks say otherwise."""
    for why, found in _ALL.items():
        anew = found.format(" AND d.account = :account")
        kept = f"SELECT account, hub_id, why FROM doubt WHERE account = :account AND why = '{why}'"
        for one, other, said in ((anew, kept, "is not marked"), (kept, anew, "is marked")):
            rows = connection.execute(text(f"{one} EXCEPT {other}"), {"account": account})
            yield from (f"invoice {row.hub_id}: {said} for its {why}" for row in rows)
    lags = f"""
    SELECT hub_id FROM delivery WHERE account = :account AND feed = 'legacy'
    AND abs(coalesce(lag, -1e9) - coalesce(({_LAG}), -1e9)) > 1e-7
    """
    for row in connection.execute(text(lags), {"account": account}):
        yield f"invoice {row.hub_id}: another lag is kept than its times say"


# -- the triggers --------------------------------------------------------------------------------

_BY_ID = " AND d.account = {0}.account AND d.hub_id = {0}.hub_id"
_BY_KEY = (
    " AND d.account = {0}.account AND "
    + " AND ".join(f"d.{name} = {{0}}.{name}" for name in _KEY)
    + " AND d.file_series IS {0}.file_series"
)
_FORGET = "DELETE FROM doubt WHERE account = {0}.account AND "
_FORGET_ONE = _FORGET + "hub_id = {0}.hub_id AND why = '{1}';"
# However many twins there are, a row costs as little: only of the last one the mark may be wrong.
_FORGET_LAST = (
    _FORGET + "why = 'twins' AND hub_id IN (SELECT min(hub_id) FROM (SELECT d.hub_id "
    "FROM delivery d WHERE d.feed = 'rest'{1} LIMIT 2) HAVING count(*) = 1);"
)
_ONE_OTHER = " AND d.hub_id <> {0}.hub_id LIMIT 1"
_SET_LAG = (
    f"UPDATE delivery SET lag = ({_LAG}) "
    "WHERE account = {0}.account AND feed = 'legacy' AND hub_id = {0}.hub_id;"
)


def _marks(why: Why, row: str, chosen: str) -> str:
    found = _ALL[why].format(chosen.format(row))
    return f"{_INSERT} {found} ON CONFLICT DO NOTHING;"


def _one(why: Why, row: str) -> str:
    return _FORGET_ONE.format(row, why) + _marks(why, row, _BY_ID)


def _sides(row: str) -> str:
    return _one(Why.FILES, row) + _one(Why.REGISTRATION, row) + _SET_LAG.format(row)


def _twins(row: str) -> str:
    forget_last = _FORGET_LAST.format(row, _BY_KEY.format(row))
    return forget_last + _one(Why.TWINS, row) + _marks(Why.TWINS, row, _BY_KEY + _ONE_OTHER)


def _twice(row: str) -> str:
    return _one(Why.TWICE, row)


_KEPT = (
    (
        "sides",
        "delivery",
        ("digest", "registration_number", "recorded_at", "seen_at", "unreadable"),
        _sides,
        ("NEW",),
    ),
    ("twins", "delivery", (*_KEY, "file_series"), _twins, ("OLD", "NEW")),
    ("twice", "recorded_file", ("kind", "hub_id", "digest"), _twice, ("OLD", "NEW")),
)
"""What is kept, of which table, by which columns, how, and for which of a changed row's two."""


def _triggers() -> Iterator[tuple[str, str]]:
    for what, table, columns, keep, rows in _KEPT:
        name = f"doubt_{what}"
        changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)
        yield f"{name}_added", f"AFTER INSERT ON {table} BEGIN {keep('NEW')} END"
        yield f"{name}_removed", f"AFTER DELETE ON {table} BEGIN {keep('OLD')} END"
        when = f"AFTER UPDATE OF {', '.join(columns)} ON {table} WHEN {changed}"
        yield f"{name}_changed", f"{when} BEGIN {''.join(map(keep, rows))} END"
