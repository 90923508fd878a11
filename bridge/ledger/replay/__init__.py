"""What an event of the journal means for the tables: a forgotten past, written down again.

Events tell what had happened already when they were recorded, so applying them is always true,
whatever else is known. An event that changes no row (a login, say) is only added to the chain.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from bridge.chain import Link
from bridge.ledger import events
from bridge.ledger.replay import invoices, moves, old_mailbox, outbox, visitors
from bridge.ledger.replay.told import Step


def apply(connection: Connection, link: Link) -> None:
    """Add an event of the journal to the ledger, with all that it means."""
    events.add(connection, link)
    tell(connection, link)


def tell(connection: Connection, link: Link) -> None:
    """Write down what an event means for the tables, without the event itself."""
    step = _STEPS.get(link.kind)
    if step is not None:
        step(connection, link)


_STEPS: Mapping[str, Step] = {
    **invoices.STEPS,
    **outbox.STEPS,
    **old_mailbox.STEPS,
    **moves.STEPS,
    **visitors.STEPS,
}
"""What an event means, by its kind; kinds that are not here change no row."""
