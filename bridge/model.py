"""The nouns of the bridge: what the hub, the mailbox and the ledger speak of.

Frozen values without I/O. Names on the wire stay the hub's (`numeroRegistreRCF`); in here they
have our words (`register_number`). Money is `Decimal`, times are aware, digests are SHA-256 hex.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NewType
from urllib.parse import quote

HubId = NewType("HubId", str)
"""The id of an invoice, the same on the REST API and in the old mailbox."""

LONGEST_ID = 1000
"""Characters of an id as it stands in a path; servers refuse paths of some thousands."""


def in_a_path(text: str) -> str | None:
    """Return an id of the hub as one segment of a path, or None for what cannot be an id.

    "", "." and ".." would name another path.
    """
    try:
        encoded = quote(text, safe="")
    except UnicodeEncodeError:  # half a surrogate pair
        return None
    return encoded if encoded.strip(".") and len(encoded) <= LONGEST_ID else None


Digest = NewType("Digest", str)
"""SHA-256 of a file's bytes, in lower-case hexadecimal."""


def digest_of(content: bytes) -> Digest:
    """Return the digest of a file's bytes."""
    return Digest(hashlib.sha256(content).hexdigest())


class State(StrEnum):
    """The nine states of an invoice at the hub (hub-rest-api, "States")."""

    SENT = "SENT"
    REGISTERED = "REGISTERED"
    DELIVERED = "DELIVERED"
    ANNOTATED = "ANNOTATED"
    RECEIVED = "RECEIVED"
    ACCEPTED = "ACCEPTED"
    RECOGNISED = "RECOGNISED"
    PAID = "PAID"
    REJECTED = "REJECTED"

    @property
    def public_code(self) -> str:
        """The code that issuers see, and the `StatusCode` of a DeliveryFeedback."""
        return _CODES[self][0]

    @property
    def technical_code(self) -> str:
        """The hub's own code: `codiEstat` in `/estats`."""
        return _CODES[self][1]


_CODES = {
    State.SENT: ("1000", "1000"),
    State.REGISTERED: ("1200", "1200"),
    State.DELIVERED: ("1200", "1250"),
    State.ANNOTATED: ("1300", "1400"),
    State.RECEIVED: ("1300", "2100"),
    State.ACCEPTED: ("1300", "2300"),
    State.RECOGNISED: ("2400", "2400"),
    State.PAID: ("2500", "2500"),
    State.REJECTED: ("2600", "2600"),
}

PENDING_STATES = frozenset({State.SENT, State.REGISTERED})
"""While the hub shows one of these, the invoice stays on the pending list."""

FINAL_STATES = frozenset({State.PAID, State.REJECTED})
"""Nothing follows these."""


class LegacyStatus(StrEnum):
    """The eleven values of `Status` in a DeliveryFeedback (DeliveryFeedback.xsd, StatusType)."""

    SENT = "SENT"
    VALIDATED = "VALIDATED"
    REGISTERED = "REGISTERED"
    DELIVERED = "DELIVERED"
    ANNOTATED = "ANNOTATED"
    RECEIVED = "RECEIVED"
    ACCEPTED = "ACCEPTED"
    RECOGNISED = "RECOGNISED"
    REJECTED = "REJECTED"
    PAID = "PAID"
    CANCELED = "CANCELED"


class FeedName(StrEnum):
    """The two sources that deliver invoices and take state updates."""

    REST = "rest"
    LEGACY = "legacy"


class DeliveryState(StrEnum):
    """How far a delivery has come, in this order."""

    SEEN = "seen"
    FETCHED = "fetched"
    PLACED = "placed"
    COLLECTED = "collected"
    ACKNOWLEDGED = "acknowledged"


class UpdateStatus(StrEnum):
    """How far a state update has come."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingInvoice:
    """A row of the hub's pending list."""

    hub_id: HubId
    nif: str | None = None
    accounting_office: str | None = None
    managing_body: str | None = None
    processing_unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """An attachment that the hub holds; `name` is whatever the issuer typed: hostile."""

    attachment_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAttachment:
    """A row of the hub's list of attachments still to be fetched."""

    attachment_id: str
    hub_id: HubId
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """An administration that the platform receives invoices for."""

    nif: str
    name: str | None = None
    ine10: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """What the hub says of an invoice. Any field but the id may be missing."""

    hub_id: HubId
    number: str | None = None
    issue_date: date | None = None
    amount: Decimal | None = None
    supplier_nif: str | None = None
    supplier_name: str | None = None
    receiver_nif: str | None = None
    receiver_name: str | None = None
    registration_number: str | None = None
    registered_at: datetime | None = None
    register_number: str | None = None
    """`numeroRegistreRCF`: the number in the accounting register, once ANNOTATED."""
    face_registration_number: str | None = None
    face_registered_at: datetime | None = None
    accounting_office: str | None = None
    managing_body: str | None = None
    processing_unit: str | None = None
    state: State | None = None
    """None where the hub gave none or one that we do not know; `state_text` has its word."""
    state_text: str | None = None
    state_at: datetime | None = None
    reason_code: str | None = None
    reason: str | None = None
    paid_on: date | None = None
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRecord:
    """One line of an invoice's state history at the hub."""

    state: State | None
    state_text: str
    technical_code: str | None = None
    at: datetime | None = None
    registration_number: str | None = None
    registered_at: datetime | None = None
    register_number: str | None = None
    reason_code: str | None = None
    reason: str | None = None
    paid_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateUpdate:
    """A change of state as the hub wants it told: the body of a PATCH."""

    state: State
    register_number: str | None = None
    reason_code: str | None = None
    reason: str | None = None
    paid_on: date | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no, as it goes back to the RCF: a code (`BR04`, or the hub's own) and the reason."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """A DIR3 unit of the receiver: its code and its role in the invoice (`01` to `03`, …)."""

    code: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFacts:
    """What a Facturae file says of itself."""

    number: str | None
    series: str | None
    issue_date: date | None
    total: Decimal | None
    seller_nif: str | None
    buyer_nif: str | None
    seller_name: str | None = None
    buyer_name: str | None = None
    centres: tuple[Centre, ...] = ()


class DriftKind(StrEnum):
    """What differs from the hub's published contract."""

    UNKNOWN_FIELD = "unknown field"
    MISSING_FIELD = "missing field"
    UNKNOWN_STATE = "unknown state"
    UNKNOWN_CODE = "unknown error code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One thing that differs in the answers to one call."""

    call: str
    kind: DriftKind
    name: str
