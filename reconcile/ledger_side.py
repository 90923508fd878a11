"""Both feeds as the ledger recorded them: only what may be a finding comes up here.

Of a million invoices that both feeds gave alike nobody needs a row. The ledger marks the others as
it writes them (see `bridge.ledger.doubts`); what is marked is read whole and compared as everything
else.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice

from sqlalchemy import Connection, text

from bridge.ledger import Ledger, sides
from bridge.ledger.schema import FIRST_SEEN
from bridge.model import FeedName, HubId
from bridge.recorded import Recorded, in_order
from reconcile.asked import Period
from reconcile.details import Detail
from reconcile.ledger_times import Times, Values, times
from reconcile.moments import starts
from reconcile.pairs import Pair

AT_ONCE = 5000
"""Hub ids that a statement is given."""

MOST_NAMES = 10_000
"""So many of the newest invoices have their names compared: what a profile gets wrong it shows."""

_LEGACY = "a.account = :account AND a.feed = 'legacy' AND a.recorded_at IS NOT NULL"
_REST = "b.account = :account AND b.feed = 'rest'"
_PARTNER = f"{_REST} AND b.hub_id = a.hub_id"
_DOUBTS = """
SELECT DISTINCT hub_id FROM doubt
WHERE account = :account AND (:registration OR why <> 'registration')
"""
# Twins of what is not the same on both sides: in the old mailbox they may be twins, too.
_TWINS_OF = """
SELECT b.hub_id FROM json_each(:hub_ids) doubtful
CROSS JOIN delivery a ON a.account = :account AND a.feed = 'legacy' AND a.hub_id = doubtful.value
CROSS JOIN delivery b ON b.account = a.account AND b.feed = a.feed
AND b.issue_date = a.issue_date AND b.supplier_nif = a.supplier_nif
AND b.file_number = a.file_number AND b.file_series IS a.file_series
"""
_ATTACHED = """
SELECT hub_id FROM attachment WHERE account = :account
GROUP BY hub_id HAVING sum(feed = 'legacy') <> sum(feed = 'rest')
UNION SELECT a.hub_id FROM attachment a WHERE a.account = :account AND a.feed = 'legacy'
AND NOT EXISTS (SELECT 1 FROM attachment b WHERE b.account = a.account AND b.feed = 'rest'
  AND b.hub_id = a.hub_id AND b.digest = a.digest)
"""
_DETAILS = f"""
SELECT a.hub_id FROM delivery a JOIN delivery b ON {_PARTNER}
WHERE {_LEGACY} AND ((:receipt AND a.receipt_digest <> b.receipt_digest)
  OR (:registered_at AND a.registered_at <> b.registered_at))
"""
_EVERY = "SELECT DISTINCT hub_id FROM delivery WHERE account = :account"
_OF_FEED = "WHERE account = :account AND feed = :feed"
_FIRST_AND_LAST = f"""
SELECT (SELECT min({FIRST_SEEN}) FROM delivery {_OF_FEED}),
(SELECT max({FIRST_SEEN}) FROM delivery {_OF_FEED})
"""
_SEEN_BETWEEN = f"""
SELECT count(*) FROM delivery {_OF_FEED} AND {FIRST_SEEN} >= :first AND {FIRST_SEEN} < :last
"""
# From each to the next: a few look-ups, where DISTINCT would go along all entries.
_NEXT = f"SELECT min(receiver_nif) FROM delivery {_OF_FEED} AND receiver_nif >"
_RECEIVERS = f"""
WITH RECURSIVE found(nif) AS ({_NEXT} '' UNION ALL
  SELECT ({_NEXT} found.nif) FROM found WHERE found.nif IS NOT NULL)
SELECT nif FROM found WHERE nif IS NOT NULL
"""
_ATTACHMENTS = f"SELECT count(*) FROM attachment {_OF_FEED}"
_RECEIPTS = f"SELECT count(*) FROM delivery {_OF_FEED} AND receipt_digest IS NOT NULL"
_NAMES = f"""
SELECT count(*), coalesce(sum(a.name <> b.name), 0) FROM (
  SELECT hub_id, name FROM delivery NOT INDEXED
  WHERE account = :account AND feed = 'legacy' AND recorded_at IS NOT NULL
  ORDER BY id DESC LIMIT {{most}}) a
JOIN delivery b ON {_PARTNER} WHERE a.name IS NOT NULL AND b.name IS NOT NULL
"""
_REPORTED = """
SELECT DISTINCT state FROM state_update
WHERE account = :account AND status = 'accepted' AND state IS NOT NULL
"""
_STATE_FILES_SEEN = """
SELECT name, digest, first_seen_at AS at FROM recorded_file
WHERE account = :account AND folder = 'statin' AND digest IS NOT NULL ORDER BY id
"""
_STATE_FILES_TAKEN = """
SELECT name, digest, taken_at AS at FROM state_file
WHERE account = :account AND kind = 'taken' ORDER BY id
"""
_FOR_EVER = ("0001-01-01", "9999-12-31")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How the names of files in `out` compare."""

    compared: int
    differ: int
    older: bool = False
    """Whether there are older invoices, of which they were not compared."""


class LedgerSides:
    """Both feeds of an account, as the ledger has them."""

    def __init__(
        self, ledger: Ledger, account: str, period: Period, counting: frozenset[Detail]
    ) -> None:
        self._ledger = ledger
        self._account = account
        since, until = period.since, period.until
        self._values: Values = {
            "account": account,
            "since": _FOR_EVER[0] if since is None else _stored(starts(since)),
            "until": _FOR_EVER[1] if until is None else _stored(_after(until)),
            "registration": Detail.REGISTRATION_NUMBER in counting,
            "receipt": Detail.RECEIPT in counting,
            "registered_at": Detail.REGISTRATION_DATE in counting,
        }
        self._counting = counting
        self.times = Times()
        """As they were when the suspects were looked up."""

    def suspects(self) -> set[HubId]:
        """Return the invoices that are not evidently the same on both sides.

        Those of REST alone are among them whatever the period.
        """
        with self._ledger.read() as connection:
            self.times = times(connection, self._values)
            found = self._ids_in(connection, _DOUBTS)
            for statement in self._by_details():
                found |= self._ids_in(connection, statement)
            return found | self._twins_of(connection, found)

    def pairs(self, hub_ids: Iterable[HubId]) -> Iterator[Pair]:
        """Yield invoices with what each feed gave of them, by hub id."""
        ordered = iter(sorted(hub_ids, key=in_order))
        with self._ledger.read() as connection:
            while some := list(islice(ordered, AT_ONCE)):
                legacy, rest = (self._sides(connection, feed, some) for feed in _BOTH)
                for hub_id in some:
                    if hub_id in legacy or hub_id in rest:
                        yield Pair(hub_id=hub_id, legacy=legacy.get(hub_id), rest=rest.get(hub_id))

    def every_hub_id(self) -> set[HubId]:
        """Return all invoices of either side, whatever the period."""
        return self._ids(_EVERY)

    def state_files(self, *, taken: bool) -> list[tuple[str, str, datetime]]:
        """Return names, digests and times of the state files that the old mailbox was given.

        Those that were seen lying there, and with `taken` those that went through the bridge.
        """
        with self._ledger.read() as connection:
            seen = connection.execute(text(_STATE_FILES_SEEN), self._values).all()
            rows = connection.execute(text(_STATE_FILES_TAKEN), self._values).all() if taken else []
        return [(row.name, row.digest, _moment(row.at)) for row in (*seen, *rows)]

    def names(self) -> Names:
        """Compare the names of the newest invoices, as far as both are known."""
        with self._ledger.read() as connection:
            statement = text(_NAMES.format(most=MOST_NAMES))
            compared, differ = connection.execute(statement, self._values).one()
        return Names(compared=compared, differ=differ, older=self.times.heard > MOST_NAMES)

    def rest(self) -> dict[HubId, Recorded]:
        """Return all that REST gave, whatever the period."""
        with self._ledger.read() as connection:
            found = sides.of_feed(connection, self._account, FeedName.REST)
            return {recorded.hub_id: recorded for recorded in found}

    def first_and_last(self, feed: FeedName) -> tuple[datetime, datetime] | None:
        """Return when the first and the last invoice of a feed were seen."""
        with self._ledger.read() as connection:
            values = {**self._values, "feed": feed}
            first, last = connection.execute(text(_FIRST_AND_LAST), values).one()
        return None if first is None else (_moment(first), _moment(last))

    def seen_between(self, feed: FeedName, since: datetime, until: datetime) -> int:
        """Return how many invoices of a feed were first seen in a time."""
        times = {"first": _stored(since), "last": _stored(until)}
        return self._number(_SEEN_BETWEEN, feed=feed, **times)

    def reported_states(self) -> set[str]:
        """Return the states that the software reported through the bridge and the hub took."""
        return set(map(str, self._ids(_REPORTED)))

    def receivers(self) -> set[str]:
        """Return the entities for which both feeds gave an invoice."""
        legacy, rest = (self._ids(_RECEIVERS, feed=feed) for feed in _BOTH)
        return {str(nif) for nif in legacy & rest}

    def attachments(self) -> int:
        """Return how many attachments both feeds gave, at most."""
        return min(self._number(_ATTACHMENTS, feed=feed) for feed in _BOTH)

    def receipts(self) -> int:
        """Return how many receipts both feeds gave, at most."""
        return min(self._number(_RECEIPTS, feed=feed) for feed in _BOTH)

    def _by_details(self) -> list[str]:
        found = [_ATTACHED] if Detail.ATTACHMENTS in self._counting else []
        if self._counting & {Detail.RECEIPT, Detail.REGISTRATION_DATE}:
            found.append(_DETAILS)
        return found

    def _twins_of(self, connection: Connection, hub_ids: Iterable[HubId]) -> set[HubId]:
        """Return what the old mailbox gave under other hub ids, too, of these invoices."""
        return self._ids_in(connection, _TWINS_OF, hub_ids=json.dumps(list(hub_ids)))

    def _ids(self, statement: str, **values: str) -> set[HubId]:
        with self._ledger.read() as connection:
            return self._ids_in(connection, statement, **values)

    def _ids_in(self, connection: Connection, statement: str, **values: str) -> set[HubId]:
        found = connection.execute(text(statement), {**self._values, **values}).scalars()
        return set(map(HubId, found))

    def _number(self, statement: str, **values: str) -> int:
        with self._ledger.read() as connection:
            return int(connection.scalar(text(statement), {**self._values, **values}) or 0)

    def _sides(
        self, connection: Connection, feed: FeedName, hub_ids: Sequence[HubId]
    ) -> dict[HubId, Recorded]:
        found = sides.of_feed(connection, self._account, feed, hub_ids=hub_ids)
        return {recorded.hub_id: recorded for recorded in found}


_BOTH = (FeedName.LEGACY, FeedName.REST)


def _after(day: date) -> datetime:
    return starts(date.fromordinal(day.toordinal() + 1)) if day < date.max else starts(day)


def _stored(moment: datetime) -> str:
    """Return a time as SQLite has it in its rows."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _moment(stored: str) -> datetime:
    return datetime.fromisoformat(stored).replace(tzinfo=UTC)
