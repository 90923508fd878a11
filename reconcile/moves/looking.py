"""Where everything stands now, seen freshly, and the plan that follows from it.

Nothing is changed: the old mailbox is listened to, the hub is asked for its list, and what the
software has taken from ours is noted, as each round of `serve` does.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from bridge.account import Account
from bridge.errors import BridgeError, InvoiceError, SettingsError
from bridge.feeds import RestFeed
from bridge.hub.errors import UnknownInvoiceError
from bridge.inbound.collecting import look_for_collected
from bridge.inbound.placing import note_collected
from bridge.ledger import emptyings, handing, invoices, moves, standings, ties, updates
from bridge.ledger.moves import MoveKind
from bridge.ledger.serving import Feeds
from bridge.ledger.standings import Standing
from bridge.legacy.listening import SUDDENLY, listen
from bridge.model import Digest, HubId, UpdateStatus
from bridge.outbound.shown import shown
from bridge.recorded import in_order
from reconcile.moves import switching
from reconcile.moves.plan import Item, Plan, WaitingUpdates
from reconcile.moves.reach import OUT_OF_REACH, as_it_ends
from reconcile.moves.rules import (
    ONLY_THE_RCF_SAYS,
    Action,
    Place,
    Terms,
    decide,
    may_be_lacking,
    must_be_asked,
    rules_of,
)

log = structlog.get_logger()


class SuddenlyEmptyError(InvoiceError):
    """A side that has come back empty is a fault to report, never a fact to act on."""


@dataclass(slots=True, kw_only=True)
class Look:
    """What was seen at both feeds."""

    account: Account
    listed: frozenset[HubId] = frozenset()
    """By the hub's pending list."""
    hub_error: BridgeError | None = None
    """Why the hub could not be asked."""
    old_error: BridgeError | None = None
    """Why the old mailbox could not be looked into."""
    vanished: int = 0
    lacking: frozenset[HubId] = frozenset()
    """Of which a person has just said that the software does not have them."""
    remarks: list[str] = field(default_factory=list)

    @property
    def hub_said(self) -> str | None:
        """Why the hub could not be asked, in words."""
        return as_it_ends(self.hub_error) if self.hub_error is not None else None

    @property
    def old_said(self) -> str | None:
        """Why the old mailbox could not be looked into, in words."""
        return str(self.old_error) if self.old_error is not None else None

    def standings(self, connection: Connection) -> Iterator[Standing]:
        """Yield every invoice that the ledger knows, and what the hub lists beside them."""
        known = set()
        for standing in standings.standings(connection, self.account.name):
            known.add(standing.hub_id)
            yield replace(standing, listed=standing.hub_id in self.listed)
        for hub_id in sorted(self.listed - known, key=in_order):
            yield Standing(hub_id=hub_id, listed=True)


def look(account: Account, *, old_mailbox: bool = True, hub: bool = True) -> Look:
    """Look at both feeds, and at what was collected from our mailbox.

    What is out of reach is said; raises StorageError, LedgerError.
    """
    seen = Look(account=account)
    with account.mailbox.turn("inbound"):
        look_for_collected(account)
    if old_mailbox and account.own.legacy is not None:
        try:
            _listen(seen)
        except OUT_OF_REACH as error:
            seen.old_error = error
    if hub:
        try:
            _ask_for_list(seen)
        except OUT_OF_REACH as error:
            seen.hub_error = error
    return seen


def _listen(seen: Look) -> None:
    account = seen.account
    with account.mailbox.turn("record"), account.old_mailbox() as reader:
        heard = listen(account, reader, only_due=False)
    seen.vanished = heard.vanished
    seen.remarks += heard.troubles


def _ask_for_list(seen: Look) -> None:
    own = seen.account.own
    feed = RestFeed(seen.account.hub, nifs=own.nifs, offices=own.oficines_comptables)
    listing = feed.pending()
    seen.listed = frozenset(row.hub_id for row in listing.invoices)
    seen.remarks += [f"more waits than the hub lists: {part}" for part in listing.capped_slices]


def refuse_suddenly_empty(seen: Look, *, forced: bool = False) -> None:
    """Raise SuddenlyEmptyError where all that the old mailbox showed has gone at once.

    A plan does so, too: only the first look tells. One that is forced has it said.
    """
    if seen.vanished < SUDDENLY:
        return
    said = f"the old mailbox: {suddenly_empty(seen)}"
    if not forced:
        raise SuddenlyEmptyError(f"{said}. Nothing was moved")
    seen.remarks.append(said)


def refuse_emptied(account: Account) -> None:
    """Raise SuddenlyEmptyError, once, where the old mailbox was emptied at once while REST served.

    Whoever saw it first: the rounds of `serve` do, and tell nobody.
    """
    last = switching.last_move(account)
    since = last.switched_at if last is not None else None
    with account.ledger.read() as connection:
        emptied = emptyings.untold(connection, account.name)
    if emptied is None or (since is not None and emptied.at < since):
        return
    with account.ledger.write() as connection:
        emptyings.tell(connection, account.name, at=account.clock())
    raise SuddenlyEmptyError(
        f"the old mailbox: all {emptied.files} files that it showed were gone at once at "
        f"{emptied.at:%Y-%m-%d %H:%M} UTC, and none is back: nothing is taken as collected. "
        "Look whether it is the right mailbox; if it has really been emptied, run this again. "
        "Nothing was moved"
    )


def suddenly_empty(seen: Look) -> str:
    """Return what is said of an old mailbox that has come back empty."""
    return (
        f"all {seen.vanished} files that it showed at the last look are missing now: nothing is "
        "taken as collected. Look whether it is the right mailbox; if it has really been emptied, "
        "run this again"
    )


def make_plan(seen: Look, terms: Terms, then: Feeds) -> Plan:
    """Return what a move would do with everything as it was seen."""
    account, rules = seen.account, rules_of(terms)
    items: list[Item] = []
    settled: Counter[Place] = Counter()
    differing: list[HubId] = []
    with account.ledger.read() as connection:
        in_hands = _in_hands(connection, account) if terms.into_folder else frozenset()
        for standing in _asked(seen, connection, terms):
            it = replace(standing, in_hands=standing.hub_id in in_hands)
            rule = decide(it, rules)
            if rule.action is Action.NOTHING:
                settled[rule.place] += 1
                continue
            if it.differs:
                differing.append(it.hub_id)
            items.append(
                Item(hub_id=it.hub_id, action=rule.action, place=rule.place, reason=rule.reason)
            )
        waiting = waiting_updates(connection, account.name)
        unknown = standings.unknown_files(connection, account.name)
    items.sort(key=lambda item: in_order(item.hub_id))
    return Plan(
        account=account.name,
        terms=terms,
        generated_at=account.clock(),
        now=account.feeds(),
        then=then,
        items=tuple(items),
        settled=dict(settled),
        updates=waiting,
        differing=tuple(differing),
        unknown_files=tuple(unknown),
        remarks=tuple(seen.remarks),
    )


def _asked(seen: Look, connection: Connection, terms: Terms) -> Iterator[Standing]:
    """Yield every standing with what a person says; where only the hub can tell, what it shows."""
    back = moves.last(connection, seen.account.name, MoveKind.ROLLBACK)
    since = back.switched_at if back is not None else None
    for standing in seen.standings(connection):
        it = standing
        if may_be_lacking(it, terms):
            it = _with_word(seen, connection, it, since)
        if seen.hub_said is None and must_be_asked(it, terms):
            it = _with_state(seen.account, it)
            it = _with_word(seen, connection, it, since) if it.lacking else it
        yield it


def _with_word(
    seen: Look, connection: Connection, it: Standing, since: datetime | None
) -> Standing:
    """Add what a person says: that the software lacks it.

    What was said before the last rollback, `since`, is over. What was said before something that
    may mean that the software has it by now must be said again.
    """
    if it.hub_id in seen.lacking:
        return replace(it, lacking=True)
    name = seen.account.name
    said_at = handing.lacking_at(connection, name, it.hub_id)
    if said_at is None or (since is not None and said_at < since):
        return it
    signs = [it.gone_at, handing.reported_at(connection, name, it.hub_id)]
    if it.shown in ONLY_THE_RCF_SAYS and it.shown_since is not None:
        signs.append(it.shown_since + timedelta(seconds=1))  # the hub tells no parts of one
    overtaken = any(at is not None and at > said_at for at in signs)
    return replace(it, lacking=not overtaken, no_longer_lacking=overtaken)


def _with_state(account: Account, standing: Standing) -> Standing:
    try:
        invoice = shown(account.hub, standing.hub_id)
        return replace(standing, shown=invoice.state, shown_since=invoice.state_at)
    except UnknownInvoiceError:
        return replace(standing, unknown_to_hub=True)
    except InvoiceError as error:
        log.warning("the hub does not tell", hub_id=standing.hub_id, reason=str(error))
        return standing


def _in_hands(connection: Connection, account: Account) -> frozenset[HubId]:
    """Return what stands in ours, was fetched through a door, and has not been deleted since."""
    names = standing_names(connection, account)
    return frozenset(standings.fetched(connection, account.name, names))


def standing_names(connection: Connection, account: Account) -> dict[HubId, str]:
    """Return the names in `out` of the invoices that stand there."""
    found = ties.standing_invoices(connection, account.name)
    return {file.hub_id: file.name for file in found if file.hub_id is not None}


def waiting_updates(connection: Connection, account: str) -> WaitingUpdates:
    """Return how far the state updates have come."""
    counted = updates.counted(connection, account)
    return WaitingUpdates(
        open=counted.get(UpdateStatus.QUEUED, 0) + counted.get(UpdateStatus.SENDING, 0),
        accepted=counted.get(UpdateStatus.ACCEPTED, 0),
        refused=counted.get(UpdateStatus.REFUSED, 0),
    )


def decided(
    account: Account, *, has: Sequence[str], lacks: Sequence[str], by: str, at: datetime
) -> list[str]:
    """Write down what a person says of invoices; return of which it changes nothing, and why.

    Raises InvoiceError for one that nobody knows, SettingsError for one of which both is said.
    """
    if both := set(has) & set(lacks):
        said = ", ".join(sorted(both))
        raise SettingsError(f"{said}: --has and --lacks cannot both be true; say one of them")
    with account.ledger.write() as connection:
        had = handing.collected(connection, account.name, [HubId(hub_id) for hub_id in lacks])
        for kind, hub_ids in ((handing.COUNTED, has), (handing.LACKING, lacks)):
            chosen = [HubId(hub_id) for hub_id in hub_ids]
            for hub_id in chosen:
                if invoices.known(connection, account.name, hub_id) is None:
                    raise InvoiceError(f"{hub_id}: neither feed ever gave an invoice of this id")
            handing.record(connection, account.name, kind, chosen, at=at, actor=by)
        chosen = [HubId(hub_id) for hub_id in has]
        standing = ties.standing_files(connection, account.name, chosen)
        files = [file for some in standing.values() for file in some]
        note_collected(connection, account, files)
    for file in reversed(files):  # the invoice first
        account.mailbox.take_back(file.folder, file.name, file.digest)
    return [_lacked_in_vain(account, *it) for it in had.items()]


def _lacked_in_vain(account: Account, hub_id: HubId, digest: Digest) -> str:
    return (
        f"{hub_id}: --lacks changes nothing, for it was collected, or went into a folder, and is "
        "never offered again. If the software lacks it all the same, copy its file into the "
        f"mailbox's out, under a name of your own: {account.mailbox.archive.path(digest)}"
    )
