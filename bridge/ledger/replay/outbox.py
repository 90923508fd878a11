"""What events mean for state files, their updates and every try of them."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from bridge.chain import Link
from bridge.ledger import (
    attempts,
    cut_offs,
    deliveries,
    placed_files,
    queueing,
    state_files,
    updates,
)
from bridge.ledger.replay.told import (
    Step,
    detail_of,
    files_of,
    hub_id_of,
    invoice_of,
)
from bridge.ledger.state_files import Kind, Passing
from bridge.ledger.updates import Outcome
from bridge.model import Digest, FeedName, Refusal


def _state_file(connection: Connection, link: Link, kind: Kind) -> None:
    detail = detail_of(link)
    if detail["file"] is None:  # an upload into another folder was cut off
        return
    since = detail.get("perhaps_sent_since")
    state_files.add(
        connection,
        link.account,
        name=detail["name"],
        digest=Digest(detail["digest"]),
        size=detail["size"],
        kind=kind,
        at=link.at,
        pass_on=detail.get("pass_on", False),
        perhaps_sent_since=datetime.fromisoformat(since) if since else None,
        file_id=detail["file"],
    )


def _taken(connection: Connection, link: Link) -> None:
    _state_file(connection, link, Kind.TAKEN)


def _repeated(connection: Connection, link: Link) -> None:
    _state_file(connection, link, Kind.REPETITION)


def _cut_off(connection: Connection, link: Link) -> None:
    _state_file(connection, link, Kind.CUT_OFF)


def _queued(connection: Connection, link: Link) -> None:
    detail = detail_of(link)
    queueing.queue(
        connection,
        link.account,
        detail["file"],
        position=detail["position"],
        total=detail["total"],
        asked_state=detail["asked_state"],
        hub_id=hub_id_of(link),
        outcome=queueing.from_detail(detail["outcome"]),
        at=link.at,
        pass_on=detail.get("pass_on", False),
        update_id=detail["update"],
    )


def _queued_again(connection: Connection, link: Link) -> None:
    detail = detail_of(link)
    queueing.requeue(
        connection,
        detail["update"],
        state_file=detail["file"],
        hub_id=hub_id_of(link),
        outcome=queueing.from_detail(detail["outcome"]),
        at=link.at,
        pass_on=detail.get("pass_on", False),
    )


def _sent(connection: Connection, link: Link) -> None:
    detail = detail_of(link)
    at = datetime.fromisoformat(detail["begun_at"])
    attempt = attempts.begin(connection, detail["update"], body=detail["sent"], at=at)
    attempts.end(connection, attempt, answer=detail["answer"], shown=detail["shown"])
    # What the answer came to is told by the next event; until then it waits, because of it.
    updates.not_sent(connection, detail["update"], trouble=detail["answer"])


def _accepted(connection: Connection, link: Link) -> None:
    detail = detail_of(link)
    outcome = Outcome(detail["outcome"])
    updates.accepted(connection, detail["update"], outcome=outcome, at=link.at)
    deliveries.acknowledged(connection, link.account, FeedName.REST, invoice_of(link), at=link.at)


def _refused(connection: Connection, link: Link) -> None:
    detail = detail_of(link)
    if "outcome" in detail:  # when its file was taken
        _queued(connection, link)
        return
    refusal = Refusal(detail["code"], detail["reason"])
    updates.refuse(connection, detail["update"], refusal, at=link.at)


def _answered(connection: Connection, link: Link) -> None:
    updates.answered(connection, detail_of(link)["updates"], at=link.at)
    placed_files.begin(connection, link.account, files_of(link), at=link.at)


def _laid_ready(connection: Connection, link: Link) -> None:
    state_files.set_passing(connection, detail_of(link)["file"], Passing.READY)


def _passed_on(connection: Connection, link: Link) -> None:
    file = detail_of(link)["file"]
    state_files.set_passing(connection, file, Passing.PASSED)
    updates.passed_on(connection, file, at=link.at)


STEPS: Mapping[str, Step] = {
    state_files.LAID_READY: _laid_ready,
    state_files.PASSED_ON: _passed_on,
    f"state file {Kind.TAKEN}": _taken,
    f"state file {Kind.REPETITION}": _repeated,
    cut_offs.CUT_OFF: _cut_off,
    "update queued": _queued,
    "update queued again": _queued_again,
    "update sent": _sent,
    "update accepted": _accepted,
    "update refused": _refused,
    "refusals answered": _answered,
}
