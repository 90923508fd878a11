"""What events mean for who comes to the doors."""

from collections.abc import Mapping

from sqlalchemy import Connection

from bridge.chain import Link
from bridge.ledger import (
    visitors,
)
from bridge.ledger.replay.told import Step, detail_of
from bridge.ledger.visitors import Client


def _client(link: Link) -> Client:
    told = detail_of(link)
    return Client(
        account=link.account, user=link.actor, protocol=told["protocol"], mark=told["mark"]
    )


def _program_seen(connection: Connection, link: Link) -> None:
    visitors.seen(connection, _client(link), detail_of(link)["program"], at=link.at)


def _habits_seen(connection: Connection, link: Link) -> None:
    visitors.set_habits(connection, _client(link), detail_of(link)["habits"])


STEPS: Mapping[str, Step] = {
    visitors.PROGRAM_SEEN: _program_seen,
    visitors.HABITS_SEEN: _habits_seen,
}
