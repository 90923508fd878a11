"""Waits for the next try, kept as times of day: what a clock that was set back makes of them."""

from datetime import datetime

from sqlalchemy import Connection, update

from bridge.ledger.schema import attachment, delivery, state_update


def shorten(connection: Connection, account: str, *, latest: datetime) -> int:
    """Let nothing of an account wait beyond `latest`; return how many waits were longer.

    A wait is never that long by itself: this machine's clock was ahead when it was written down.
    """
    shortened = 0
    for table in (delivery, attachment, state_update):
        late = (table.c.account == account) & (table.c.next_attempt_at > latest)
        done = connection.execute(update(table).where(late).values(next_attempt_at=latest))
        shortened += done.rowcount
    return shortened
