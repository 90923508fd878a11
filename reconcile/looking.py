"""A fresh look at both feeds before a report, as far as they can be reached; nothing is changed.

The shadow feed gets a round of recording, as by `record`. The hub's pending list is read, so that
what `serve` has not fetched yet is no finding. With `--legacy` the old files are read, and not
recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from bridge.account import Account
from bridge.feeds.legacy import open_reader
from bridge.feeds.rest import RestFeed
from bridge.ledger import invoices, reports, spans
from bridge.model import Digest, FeedName, HubId, InvoiceFacts
from bridge.recorded import Recorded, in_order
from bridge.recording import FeedRecorder
from bridge.translate import ReadUpdate
from reconcile.asked import LEDGER, Asked
from reconcile.by_id import HubById
from reconcile.details import Detail
from reconcile.ledger_side import LedgerSides
from reconcile.model import StateRow
from reconcile.old_files import OldSide, read_folder_side, read_mailbox_side
from reconcile.old_source import folder_of, mailbox_of, shown
from reconcile.pairs import Pair, claimed
from reconcile.parity import History, state_rows
from reconcile.reach import Reach
from reconcile.second_look import ask_histories, read_from_rest
from reconcile.shelf import Shelf
from reconcile.sides import FromLedger, FromOldFiles, Sides, is_within
from reconcile.states import StateFile, given_states


@dataclass(slots=True, kw_only=True)
class Look:
    """Both sides as they are at the time of a report."""

    account: Account
    asked: Asked
    now: datetime
    reach: Reach
    shelf: Shelf
    sides: Sides
    source: str
    """Where the legacy side was read."""
    hub: HubById | None
    """None where the hub is not to be asked, or cannot be."""
    listed: frozenset[HubId] = frozenset()
    capped_slices: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    """Those for which an invoice should have been seen."""
    recorded: frozenset[FeedName] = frozenset(FeedName)
    """The feeds that are there at all."""
    state_files: tuple[StateFile, ...] = ()
    reported: frozenset[str] = frozenset()
    """States that the software reported through the bridge, and the hub took."""

    def pairs(self) -> dict[HubId, Pair]:
        """Return what is to be compared; what REST only lists so far is read from it."""
        found = {pair.hub_id: pair for pair in self.sides.pairs(everything=self.asked.everything)}
        if self.hub is not None:
            known = {pair.hub_id: pair for pair in self.sides.these(self.listed)} | found
            listed = (known.get(it, Pair(hub_id=it)) for it in sorted(self.listed, key=in_order))
            unread = [pair for pair in listed if pair.rest is None]
            self.hub.first_listed = self._first_sights([pair.hub_id for pair in unread])
            new = read_from_rest(self.account, self.hub, unread, self.reach)
            found |= {hub_id: pair for hub_id, pair in new.items() if self._is_asked_for(pair)}
        return claimed(found)

    def _first_sights(self, unread: Sequence[HubId]) -> dict[HubId, datetime]:
        """Return when a report first saw what only a report has seen: the grace time runs on."""
        with self.account.ledger.write() as connection:
            return reports.first_sights(connection, self.account.name, unread, now=self.now)

    def _is_asked_for(self, pair: Pair) -> bool:
        return bool(pair.legacy or pair.rest) and is_within(self.asked.period, pair, self.now)

    def again_in_old_mailbox(self, hub_ids: Sequence[HubId]) -> dict[HubId, Pair]:
        """Look for invoices in the old mailbox once more."""
        if not hub_ids or self.source != LEDGER or not listens_to(self.account, FeedName.LEGACY):
            return {}
        if self.asked.only_recorded or not self.reach.reaches(FeedName.LEGACY):
            return {}
        with self.reach.asking(FeedName.LEGACY):
            FeedRecorder(self.account).round(FeedName.LEGACY, only_due=False)
        return {pair.hub_id: pair for pair in self.sides.these(hub_ids) if pair.legacy}

    def states(self) -> tuple[tuple[StateRow, ...], int]:
        """Return how the states that the old mailbox was given compare with the hub.

        And of how many that was not asked: they are of older invoices.
        """
        found = given_states(
            self.state_files,
            self.shelf.content,
            self._invoice_of,
            refused=self.sides.refused_files,
        )
        history: History = _not_asked
        if self.hub is not None:
            asked = dict.fromkeys(each.hub_id for each in found.newest if each.hub_id)
            ask_histories(self.account, self.hub, list(asked), self.reach)
            history = self.hub.known_history
        rows = state_rows(found.newest, history, now=self.now, grace=self.asked.grace)
        return rows, found.older

    def _invoice_of(self, update: ReadUpdate) -> HubId | None:
        return matching(
            self.account, update.invoice_number, update.supplier_nif, update.invoice_date
        )


def _not_asked(_hub_id: HubId) -> None:
    return None


def look(
    account: Account,
    asked: Asked,
    shelf: Shelf,
    reach: Reach,
    *,
    counting: frozenset[Detail],
    now: datetime,
) -> Look:
    """Look at both feeds; raises SettingsError for a source that cannot be used."""
    if asked.legacy is None and not asked.only_recorded:
        _record_shadow(account, reach)
        _try_old_mailbox(account, reach)
    joined = LedgerSides(account.ledger, account.name, asked.period, counting)
    rest = {} if asked.legacy is None else joined.rest()
    old = _old_side(account, asked, shelf, reach, rest)
    if old is not None:
        sides: Sides = FromOldFiles(old, rest, asked.period, now)
    else:
        sides = FromLedger(joined, account.ledger, account.name, asked.period, now)
    found = Look(
        account=account,
        asked=asked,
        now=now,
        reach=reach,
        shelf=shelf,
        sides=sides,
        source=LEDGER if asked.legacy is None else shown(asked.legacy),
        hub=None,
        recorded=_recorded(account, asked, joined),
        state_files=_state_files(account, joined, old),
        reported=frozenset(joined.reported_states()),
    )
    return _with_hub(found)


def _old_side(
    account: Account,
    asked: Asked,
    shelf: Shelf,
    reach: Reach,
    rest: Mapping[HubId, Recorded],
) -> OldSide | None:
    """Read the old files that were asked for; those of a server that is away are none."""
    if asked.legacy is None:
        return None
    names = account.profiles()

    def find(facts: InvoiceFacts) -> HubId | None:
        return matching(account, facts.number, facts.seller_nif, facts.issue_date)

    folder = folder_of(asked.legacy)
    if folder is not None:
        return read_folder_side(folder, names, shelf, find, rest=rest.values())
    with reach.asking(FeedName.LEGACY):
        where = mailbox_of(asked.legacy, account.own)
        with open_reader(where, account.mailbox.profile) as reader:
            return read_mailbox_side(reader, names, shelf, find)
    return OldSide(recorded={}, state_files=(), refused_files=frozenset(), tells_attachments=False)


def matching(
    account: Account, number: str | None, supplier_nif: str | None, issue_date: date | None
) -> HubId | None:
    """Return the one invoice of the ledger with this number, supplier and date, if it is one."""
    with account.ledger.read() as connection:
        found = invoices.matching(
            connection,
            account.name,
            number=number,
            supplier_nif=supplier_nif,
            issue_date=issue_date,
        )
    return found[0] if len(found) == 1 else None


def _record_shadow(account: Account, reach: Reach) -> None:
    """Do a round of listening to the shadow feed, where there is one."""
    shadow = account.feeds().shadow
    if shadow is not None:
        with reach.asking(shadow):
            FeedRecorder(account).round(shadow, only_due=False)


def _try_old_mailbox(account: Account, reach: Reach) -> None:
    """See whether an old mailbox that serves can be reached: listing it is the bridge's work."""
    if account.feeds().serve is FeedName.LEGACY:
        with reach.asking(FeedName.LEGACY), account.old_mailbox():
            pass


def listens_to(account: Account, feed: FeedName) -> bool:
    """Tell whether a feed is this account's shadow: then it can be listened to at any time."""
    return account.feeds().shadow is feed


def _recorded(account: Account, asked: Asked, joined: LedgerSides) -> frozenset[FeedName]:
    """Return the feeds of which there is something to compare, be it that they are empty."""
    feeds = account.feeds()
    found = {feed for feed in (feeds.serve, feeds.shadow) if feed is not None}
    found |= {feed for feed in FeedName if joined.first_and_last(feed) is not None}
    return frozenset(found | ({FeedName.LEGACY} if asked.legacy is not None else set()))


def _state_files(
    account: Account, joined: LedgerSides, old: OldSide | None
) -> tuple[StateFile, ...]:
    if old is not None:
        return tuple(
            StateFile(name=file.name, digest=file.digest, at=file.modified)
            for file in old.state_files
        )
    # What went through while REST served was sent as a PATCH: it proves nothing.
    taken = account.feeds().serve is FeedName.LEGACY
    return tuple(
        StateFile(name=name, digest=Digest(digest), at=at)
        for name, digest, at in joined.state_files(taken=taken)
    )


def _with_hub(found: Look) -> Look:
    """Ask the hub what it lists and whom it serves; where it is away, what was recorded counts."""
    account, own = found.account, found.account.own
    with account.ledger.read() as connection:
        capped = spans.of_feed(connection, account.name, FeedName.REST).capped_slices
    found = replace(found, capped_slices=capped, entities=own.nifs)
    if found.asked.only_recorded or not found.reach.reaches(FeedName.REST):
        return found
    with found.reach.asking(FeedName.REST):
        feed = RestFeed(account.hub, nifs=own.nifs, offices=own.oficines_comptables)
        listing = feed.pending()
        entities = own.nifs or tuple(entity.nif for entity in account.hub.entities())
        listed = frozenset(row.hub_id for row in listing.invoices)
        return replace(
            found,
            listed=listed,
            capped_slices=listing.capped_slices,
            entities=entities,
            recorded=found.recorded | {FeedName.REST},
            hub=HubById(
                account.hub,
                found.shelf,
                listed,
                found.now,
                capped=listing.capped,
                nifs=own.nifs,
                offices=own.oficines_comptables,
            ),
        )
    return found
