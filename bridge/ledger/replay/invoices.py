"""What events mean for invoices, their attachments and the mailbox they stand in."""

from collections.abc import Mapping

from sqlalchemy import Connection

from bridge.chain import Link
from bridge.ledger import (
    accounts,
    attachments,
    deliveries,
    events,
    learned,
    placed_files,
    steps,
)
from bridge.ledger.contents import Contents
from bridge.ledger.replay.told import (
    Step,
    detail_of,
    feed_of,
    files_of,
    invoice_of,
    placed_under,
    remembered,
)
from bridge.model import FeedName, PendingInvoice


def _seen(connection: Connection, link: Link) -> None:
    detail = detail_of(link)
    row = PendingInvoice(
        hub_id=invoice_of(link),
        nif=detail["nif"],
        accounting_office=detail["accounting_office"],
    )
    deliveries.see(connection, link.account, FeedName(detail["feed"]), [row], at=link.at)


def _invoice_fetched(connection: Connection, link: Link) -> None:
    hub_id, files = invoice_of(link), files_of(link)
    (invoice,) = (file for file in files if file.kind is placed_files.Kind.INVOICE)
    assert invoice.feed is not None
    row = deliveries.of_feed(connection, link.account, invoice.feed, hub_id)
    assert row is not None, f"event {link.number}: invoice {hub_id} was never seen"
    contents = Contents.from_detail(detail_of(link)["contents"])
    deliveries.fetched(connection, row.id, contents, name=invoice.name, at=link.at)
    _attachments_fetched(connection, link)


def _attachments_fetched(connection: Connection, link: Link) -> None:
    files = files_of(link)
    by_id = {file.attachment_id: file for file in files}
    for told in detail_of(link)["attachments"]:
        file = by_id[told["attachment_id"]]
        assert file.feed is not None
        row = remembered(connection, link, told, file.feed)
        attachments.fetched(connection, row.id, digest=file.digest, name=file.name, at=link.at)
    placed_files.begin(connection, link.account, files, at=link.at)


def _placed(connection: Connection, link: Link) -> None:
    steps.placed(connection, link.account, placed_under(connection, link), at=link.at)


def _collected(connection: Connection, link: Link) -> None:
    steps.collected(connection, link.account, placed_under(connection, link), at=link.at)


def _left_out(connection: Connection, link: Link) -> None:
    row = deliveries.of_feed(connection, link.account, feed_of(link), invoice_of(link))
    if row is not None:
        deliveries.had_before(connection, row.id, at=link.at)


def _attachment_left_out(connection: Connection, link: Link) -> None:
    row = remembered(connection, link, detail_of(link), feed_of(link))
    attachments.had_before(connection, row.id, at=link.at)


def _invoice_learned(connection: Connection, link: Link) -> None:
    told = learned.invoice_from_detail(detail_of(link))
    learned.add(connection, link.account, invoice_of(link), told, at=link.at)


def _attachment_learned(connection: Connection, link: Link) -> None:
    told = learned.attachment_from_detail(detail_of(link))
    learned.add(connection, link.account, invoice_of(link), told, at=link.at)


def _listed_again(connection: Connection, link: Link) -> None:
    hub_ids = [invoice_of(link)]
    deliveries.still_listed(connection, link.account, hub_ids, before=link.at)


def _acknowledged(connection: Connection, link: Link) -> None:
    deliveries.acknowledged(connection, link.account, feed_of(link), invoice_of(link), at=link.at)


def _attachment_acknowledged(connection: Connection, link: Link) -> None:
    rows = attachments.of_invoice(connection, link.account, feed_of(link), invoice_of(link))
    for row in rows:
        if row.attachment_id == detail_of(link)["attachment_id"]:
            attachments.acknowledged(connection, row.id, at=link.at)


def _mailbox_made(connection: Connection, link: Link) -> None:
    accounts.set_mailbox_mark(connection, link.account, detail_of(link)["mark"])


def _folders_recognised(connection: Connection, link: Link) -> None:
    accounts.set_mailbox_folders(connection, link.account, dict(detail_of(link)["folders"]))


STEPS: Mapping[str, Step] = {
    events.MAILBOX_MADE: _mailbox_made,
    events.FOLDERS_RECOGNISED: _folders_recognised,
    "invoice seen": _seen,
    "invoice fetched": _invoice_fetched,
    "attachment fetched": _attachments_fetched,
    **{f"{kind} placed": _placed for kind in placed_files.Kind},
    **{f"{kind} collected": _collected for kind in placed_files.Kind},
    "invoice left out: collected before": _left_out,
    "attachment left out: collected before": _attachment_left_out,
    "invoice learned": _invoice_learned,
    "attachment learned": _attachment_learned,
    "invoice listed again": _listed_again,
    "invoice acknowledged": _acknowledged,
    "attachment acknowledged": _attachment_acknowledged,
}
