"""What a backup of everything may have put on offer a second time.

The time between the backup and its return is forgotten. What the software collected then and
nobody told the hub of looks as if it were still to be collected.
"""

from sqlalchemy import Connection, or_, select

from bridge.ledger.accounts import Forgotten
from bridge.ledger.events import TAKEN_BACK
from bridge.ledger.schema import delivery, event
from bridge.model import FeedName, HubId


def offered_again(
    connection: Connection, account: str, forgotten: Forgotten, *, listed: bool
) -> list[HubId]:
    """Return the invoices that stand, or stood, in the mailbox and may have been there before.

    They are those that the backup has and shows as uncollected; and with `listed`, where the hub
    is never told that an invoice was placed, those that it registered in the forgotten time.
    """
    since, until = forgotten.since, forgotten.until
    known = (delivery.c.seen_at <= since) & or_(
        delivery.c.collected_at.is_(None), delivery.c.collected_at >= until
    )
    again = (delivery.c.seen_at > since) & or_(
        delivery.c.registered_at.is_(None), delivery.c.registered_at < until
    )
    taken_back = select(event.c.hub_id).where(
        event.c.account == account, event.c.kind == TAKEN_BACK, event.c.at >= until
    )
    rows = connection.scalars(
        select(delivery.c.hub_id)
        .where(
            delivery.c.account == account,
            delivery.c.feed == FeedName.REST,
            delivery.c.placed_at.is_not(None),
            or_(known, again) if listed else known,
            delivery.c.hub_id.not_in(taken_back),
        )
        .order_by(delivery.c.id)
    )
    return [HubId(hub_id) for hub_id in rows]
