"""A second look at what was found, before it is called a finding.

What REST seems to lack, to have differently or not to give is asked for by its id: the hub answers
for any invoice, also for those it lists no more. What may be a duplicate is none if the hub has
rejected one of them. What the old mailbox seems to lack is looked for there once more.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from bridge.account import Account
from bridge.crew import work, workers_for
from bridge.errors import BridgeError
from bridge.model import FeedName, HubId
from bridge.recorded import Recorded
from reconcile.by_id import HubById
from reconcile.model import Outcome, Row
from reconcile.pairs import Pair, is_hub_id
from reconcile.reach import Reach

ASK_REST = frozenset({Outcome.ONLY_LEGACY, Outcome.DIFFERENT, Outcome.UNREADABLE})
"""What REST is asked about, besides what is in flight and only in the old mailbox."""


def look_again_at_rest(
    account: Account, hub: HubById, pairs: Mapping[HubId, Pair], rows: Iterable[Row], reach: Reach
) -> dict[HubId, Pair]:
    """Return those pairs of which the hub says more when it is asked for them alone."""
    asked = [pairs[row.hub_id] for row in rows if _is_to_be_asked(row, pairs[row.hub_id])]
    return read_from_rest(account, hub, asked, reach)


def read_from_rest(
    account: Account, hub: HubById, pairs: Sequence[Pair], reach: Reach
) -> dict[HubId, Pair]:
    """Return pairs with what the hub says of them when it is asked for each alone."""
    found: dict[HubId, Pair] = {}

    def ask(pair: Pair) -> None:
        answer = hub.invoice(pair.hub_id)
        again = replace(pair, note=answer.note)
        if answer.recorded is not None:
            told = replace(answer.recorded, name=_name(pair))
            again = _with_rest(again, told, in_full=hub.lists(pair.hub_id))
        found[pair.hub_id] = again

    ask_all(account, ask, pairs, reach)
    return found


def _is_to_be_asked(row: Row, pair: Pair) -> bool:
    if not is_hub_id(row.hub_id):
        return False
    lacks_rest = row.outcome is Outcome.IN_FLIGHT and pair.rest is None
    return row.outcome in ASK_REST or lacks_rest


def _name(pair: Pair) -> str | None:
    return pair.rest.name if pair.rest else None


def _with_rest(pair: Pair, told: Recorded, *, in_full: bool) -> Pair:
    """Return a pair with what REST says now; what was recorded of it before stays known.

    Asked for one invoice, REST lists only the attachments that are still to be fetched: where they
    are fewer than in the old mailbox, that says nothing, unless none was fetched yet (`in_full`).
    """
    before = pair.rest
    if before is None:
        given = pair.legacy.attachments if pair.legacy else ()
        tells = pair.tells_attachments and (in_full or len(told.attachments) >= len(given))
        return replace(pair, rest=told, tells_attachments=tells)
    if told.digest is None:
        return pair
    if told.digest == before.digest and told.unreadable == before.unreadable:
        return pair
    again = replace(before, digest=told.digest, unreadable=told.unreadable)
    return replace(pair, rest=again)


def ask_histories(account: Account, hub: HubById, hub_ids: Sequence[HubId], reach: Reach) -> None:
    """Ask the hub what states these invoices went through; `hub` remembers them."""
    ask_all(account, lambda hub_id: _ask(hub, hub_id), hub_ids, reach)


def _ask(hub: HubById, hub_id: HubId) -> None:
    hub.history(hub_id)


def ask_for_rejections(
    account: Account, hub: HubById, pairs: Sequence[Pair], reach: Reach
) -> dict[HubId, Pair]:
    """Return pairs that may be duplicates with the states that the hub says they went through."""
    found: dict[HubId, Pair] = {}

    def ask(pair: Pair) -> None:
        states = tuple(hub.history(pair.hub_id))
        side = replace(pair.one, states=states)
        is_rest = side.feed is FeedName.REST
        found[pair.hub_id] = replace(pair, rest=side) if is_rest else replace(pair, legacy=side)

    ask_all(account, ask, [pair for pair in pairs if is_hub_id(pair.hub_id)], reach)
    return found


T = TypeVar("T")


def ask_all(account: Account, ask: Callable[[T], None], items: Sequence[T], reach: Reach) -> None:
    """Ask the hub about each of these, several at a time, as long as it can be reached."""
    if not reach.reaches(FeedName.REST) or not items:
        return
    with reach.asking(FeedName.REST):
        work(
            items,
            ask,
            workers=workers_for(account.settings.hub.max_connections),
            failed=_nothing,
            stopping=account.stopping,
        )


def _nothing(_item: object, _error: BridgeError) -> None:
    """A no about one invoice is an answer, and was noted as one."""
