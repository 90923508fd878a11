"""What an event tells, in the forms in which the ledger takes it."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from bridge.chain import Link
from bridge.ledger import (
    new_attachments,
    placed_files,
)
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.placed_files import PlacedFile
from bridge.model import Attachment, FeedName, HubId
from bridge.naming import Folder

Step = Callable[[Connection, Link], None]
"""What an event of some kind means for the tables."""


def hub_id_of(link: Link) -> HubId | None:
    """Return the invoice that an event is about, if it is about one."""
    return None if link.hub_id is None else HubId(link.hub_id)


def invoice_of(link: Link) -> HubId:
    """Return the invoice of an event that is always about one."""
    assert link.hub_id is not None, f"event {link.number} names no invoice"
    return HubId(link.hub_id)


def detail_of(link: Link) -> Mapping[str, Any]:
    """Return what an event tells beside the rest, whatever it is."""
    return link.detail


def files_of(link: Link) -> list[PlacedFile]:
    """Return the files that an event placed."""
    told = detail_of(link)["files"]
    return [placed_files.from_detail(file, hub_id_of(link)) for file in told]


def remembered(
    connection: Connection, link: Link, told: Mapping[str, Any], feed: FeedName
) -> AttachmentRow:
    """Return the row of an attachment that an event tells of, made where there is none."""
    return new_attachments.remember(
        connection,
        link.account,
        feed,
        invoice_of(link),
        Attachment(attachment_id=told["attachment_id"], name=told["original_name"]),
        position=told["position"],
        at=link.at,
    )


def placed_under(connection: Connection, link: Link) -> list[PlacedFile]:
    """Return our file of the name that an event tells; none where it is not known."""
    folder, name = Folder(detail_of(link)["folder"]), detail_of(link)["name"]
    found = placed_files.by_name(connection, link.account, folder, name)
    return [found] if found else []


def feed_of(link: Link) -> FeedName:
    """Return the feed that an event is about; the first ones spoke of the hub without naming it."""
    return FeedName(detail_of(link).get("feed", FeedName.REST))
