"""The files of an invoice that REST gave: what they are called, and where they go."""

from collections.abc import Mapping
from dataclasses import replace

from bridge.identity import plain_nif
from bridge.inbound.fetching import Fetched
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.model import Digest, FeedName, Invoice, InvoiceFacts
from bridge.naming import Folder, NameParts, Profile, extension_of

FEED = FeedName.REST


def name_parts(
    profile: Profile,
    invoice: Invoice,
    facts: InvoiceFacts | None,
    *,
    receiver_code: str,
    codes: Mapping[str, str],
) -> NameParts:
    """Return what the names of an invoice's files tell; tax ids stand in for unknown codes.

    `codes` are the learned ones, by plain NIF; `receiver_code` is the one of the settings.
    """
    supplier = invoice.supplier_nif or (facts.seller_nif if facts else None) or ""
    receiver = invoice.receiver_nif or (facts.buyer_nif if facts else None) or ""
    return NameParts(
        sender=codes.get(plain_nif(supplier), supplier),
        receiver=receiver_code or codes.get(plain_nif(receiver), receiver),
        reference=profile.reference_of(
            invoice.number,
            file_number=facts.number if facts else None,
            series=facts.series if facts else None,
        ),
        hub_id=invoice.hub_id,
    )


def files_of(
    profile: Profile, parts: NameParts, fetched: Fetched, *, name: str, message: Digest
) -> list[PlacedFile]:
    """Return an invoice's files in the order in which they become visible: the invoice last.

    `name` is its own name in `out`.
    """
    hub_id = fetched.invoice.hub_id
    beside = PlacedFile(
        folder=Folder.STATOUT,
        name=profile.message_name(parts),
        kind=Kind.STATE,
        digest=message,
        feed=FEED,
        hub_id=hub_id,
    )
    invoice = PlacedFile(
        folder=Folder.OUT,
        name=name,
        kind=Kind.INVOICE,
        digest=fetched.digest,
        feed=FEED,
        hub_id=hub_id,
    )
    enclosed = [attachment_file(profile, parts, row) for row in fetched.attachments]
    return [*enclosed, beside, invoice]


def attachment_file(profile: Profile, parts: NameParts, row: AttachmentRow) -> PlacedFile:
    """Return the file of a fetched attachment."""
    assert row.digest is not None
    named = replace(parts, attachment=row.position, extension=extension_of(row.original_name))
    return PlacedFile(
        folder=Folder.ADJOUT,
        name=profile.attachment_name(named),
        kind=Kind.ATTACHMENT,
        digest=row.digest,
        feed=FEED,
        hub_id=row.hub_id,
        attachment_id=row.attachment_id,
    )
