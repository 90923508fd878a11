"""What events mean for what the feeds showed, and for the files of the old mailbox."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from bridge.chain import Link
from bridge.ledger import (
    attachments,
    file_events,
    legacy_files,
    legacy_removals,
    placed_files,
    recordings,
)
from bridge.ledger.contents import Contents
from bridge.ledger.recordings import Recording
from bridge.ledger.replay.told import (
    Step,
    detail_of,
    files_of,
    hub_id_of,
    invoice_of,
    placed_under,
    remembered,
)
from bridge.model import Digest, FeedName


def _files_taken(connection: Connection, link: Link) -> None:
    files = files_of(link)
    legacy_files.taken(connection, link.account, files, at=link.at)
    placed_files.begin(connection, link.account, files, at=link.at)


def _file_removed(connection: Connection, link: Link) -> None:
    for file in placed_under(connection, link):
        legacy_removals.removed(connection, link.account, file, at=link.at)


def _delivery_recorded(connection: Connection, link: Link) -> None:
    detail = detail_of(link)
    told = Recording(
        feed=FeedName(detail["feed"]),
        hub_id=invoice_of(link),
        contents=Contents.from_detail(detail["contents"]),
        name=detail["name"],
        accounting_office=detail["accounting_office"],
    )
    recordings.write(connection, link.account, told, at=link.at)


def _delivery_gone(connection: Connection, link: Link) -> None:
    feed = FeedName(detail_of(link)["feed"])
    recordings.is_gone(connection, link.account, feed, invoice_of(link), at=link.at)


def _delivery_back(connection: Connection, link: Link) -> None:
    feed = FeedName(detail_of(link)["feed"])
    recordings.is_back(connection, link.account, feed, invoice_of(link))


def _attachment_recorded(connection: Connection, link: Link) -> None:
    detail = detail_of(link)
    row = remembered(connection, link, detail, FeedName(detail["feed"]))
    digest, name = Digest(detail["digest"]), detail["name"]
    attachments.fetched(connection, row.id, digest=digest, name=name, at=link.at)


def _file_recorded(connection: Connection, link: Link) -> None:
    told = file_events.from_detail(detail_of(link))
    file_events.write_file(connection, link.account, told, hub_id_of(link))
    legacy_files.attribute(
        connection,
        link.account,
        path=told.path,
        digest=told.digest,
        kind=told.kind,
        hub_id=hub_id_of(link),
    )


def _file_gone(connection: Connection, link: Link) -> None:
    detail = detail_of(link)
    first, gone = map(datetime.fromisoformat, (detail["first_seen_at"], detail["gone_at"]))
    file_events.write_gone(connection, link.account, detail["path"], first, at=gone)


STEPS: Mapping[str, Step] = {
    legacy_files.TAKEN: _files_taken,
    legacy_removals.REMOVED: _file_removed,
    recordings.RECORDED: _delivery_recorded,
    recordings.GONE: _delivery_gone,
    recordings.BACK: _delivery_back,
    recordings.ATTACHMENT_RECORDED: _attachment_recorded,
    file_events.RECORDED: _file_recorded,
    file_events.GONE: _file_gone,
}
