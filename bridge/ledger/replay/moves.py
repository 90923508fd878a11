"""What events mean for reports, moves and which feed serves."""

from collections.abc import Mapping

from sqlalchemy import Connection

from bridge.chain import Link
from bridge.ledger import (
    handing,
    moves,
    reports,
    serving,
    ties,
)
from bridge.ledger.replay.told import (
    Step,
    detail_of,
    invoice_of,
)
from bridge.model import Digest


def _serving_changed(connection: Connection, link: Link) -> None:
    feeds = serving.from_detail(link.detail)
    serving.note_serving(connection, link.account, feeds, at=link.at)


def _serving_followed(connection: Connection, link: Link) -> None:
    serve = serving.from_detail(link.detail).serve
    serving.begin_serving(connection, link.account, serve, at=link.at)


def _move_begun(connection: Connection, link: Link) -> None:
    moves.write(connection, link.account, moves.from_detail(detail_of(link), at=link.at))


def _move_switched(connection: Connection, link: Link) -> None:
    moves.mark_switched(connection, link.account, at=link.at)


def _move_ended(connection: Connection, link: Link) -> None:
    moves.mark_ended(connection, link.account, at=link.at)


def _moved(connection: Connection, link: Link) -> None:
    handing.APPLY[link.kind](connection, link.account, [invoice_of(link)], link.at)


def _tied(connection: Connection, link: Link) -> None:
    detail = detail_of(link)
    ties.note_tie(
        connection,
        link.account,
        (detail["folder"], detail["name"]),
        source=detail["source"],
        digest=Digest(detail["digest"]),
        kind=link.kind,
    )


def _report_made(connection: Connection, link: Link) -> None:
    made = reports.from_detail(detail_of(link), at=link.at)
    reports.add_report(connection, link.account, made)


def _finding_accepted(connection: Connection, link: Link) -> None:
    told = reports.Accepted(hub_id=invoice_of(link), by=link.actor, at=link.at, **detail_of(link))
    reports.add_accepted(connection, link.account, told)


STEPS: Mapping[str, Step] = {
    serving.CHANGED: _serving_changed,
    serving.FOLLOWED: _serving_followed,
    moves.BEGUN: _move_begun,
    moves.SWITCHED: _move_switched,
    moves.ENDED: _move_ended,
    **dict.fromkeys(handing.APPLY, _moved),
    **dict.fromkeys(ties.TIES, _tied),
    reports.MADE: _report_made,
    reports.ACCEPTED: _finding_accepted,
}
