"""A delivery as one feed gave it, with all that a comparison of two feeds looks at.

The ledger keeps it for the serving feed and for the shadow feed alike; a folder of old files gives
it without a ledger. The file itself is in the archive, under its digest.
"""

from dataclasses import dataclass
from datetime import date, datetime

from bridge.model import Digest, FeedName, HubId, StateRecord


def in_order(hub_id: HubId) -> tuple[str, HubId]:
    """Return what sorts hub ids: those of digits as numbers, before all others."""
    if hub_id.isascii() and hub_id.isdigit():
        number = hub_id.lstrip("0")
        return f"{len(number):03}{number}", hub_id
    return f"~{hub_id}", hub_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time in which a feed was listed without a gap; what lies between two spans is one."""

    feed: FeedName
    since: datetime
    """The first listing."""
    until: datetime
    """The last one."""
    listings: int
    said: str | None = None
    """Why the listings after it failed, where they did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttachment:
    """An attachment as one feed gave it."""

    name: str
    """What the feed calls it: the issuer's own name on REST, a file name in the old mailbox."""
    position: int | None = None
    """Its number within the invoice, from 1."""
    digest: Digest | None = None
    """None: it was listed and has not been fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One invoice as one feed gave it, as far as it was recorded."""

    feed: FeedName
    hub_id: HubId
    digest: Digest | None = None
    """Of the Facturae file; None: it was listed and has not been fetched."""
    unreadable: str | None = None
    """Why the file cannot be read as a Facturae, in words."""
    others: tuple[Digest, ...] = ()
    """Further files, with other bytes, that this feed gave under the same hub id."""
    name: str | None = None
    """What the file is called in `out`: by the old hub, or by the bridge."""
    number: str | None = None
    """As the feed says: the hub's data, else the file."""
    series: str | None = None
    """As the Facturae file says."""
    supplier_nif: str | None = None
    receiver_nif: str | None = None
    accounting_office: str | None = None
    issue_date: date | None = None
    amount: str | None = None
    """A decimal, to the letter."""
    registration_number: str | None = None
    registered_at: datetime | None = None
    receipt: Digest | None = None
    """Of the PDF receipt: the hub's, or the one inside the state message."""
    attachments: tuple[RecordedAttachment, ...] = ()
    states: tuple[StateRecord, ...] = ()
    """The state history, oldest first, as far as this feed told it."""
    first_seen_at: datetime | None = None
    """None where nobody knows: files of a folder that were found there."""
    last_seen_at: datetime | None = None
    """Of a folder, the time of the file."""
    gone_at: datetime | None = None
    """When the feed no longer showed it: somebody has fetched it there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that the two sides say differently; None: that side does not say."""

    field: str
    """A plain name such as `total`, `seller_nif`, `attachment 2`, `registration_number`."""
    legacy: str | None
    rest: str | None
