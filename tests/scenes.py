"""Scenes of the sandbox as recorded deliveries, as folders, and as what a report should say."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from bridge.facturae import FacturaeError, read_facts
from bridge.model import Digest, FeedName, HubId
from bridge.recorded import Recorded, RecordedAttachment
from bridge.sandbox.invoices import Generator
from bridge.sandbox.records import HeldAttachment
from bridge.sandbox.scenarios import Kind, Scene, scenes

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
GRACE = timedelta(hours=24)
LONG_AGO = NOW - timedelta(days=30)
JUST_NOW = NOW - timedelta(minutes=5)


def sha256(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())


def mixed(mix: Mapping[Kind, int], *, seed: int = 1) -> tuple[Scene, ...]:
    return scenes(Generator(seed=seed), mix, seed=seed, now=NOW)


@dataclass(slots=True)
class Sides:
    """What both feeds recorded, and the bytes of it."""

    legacy: dict[HubId, Recorded] = field(default_factory=dict)
    rest: dict[HubId, Recorded] = field(default_factory=dict)
    files: dict[Digest, bytes] = field(default_factory=dict)

    def content(self, digest: Digest) -> bytes:
        return self.files[digest]


def recorded(played: Iterable[Scene]) -> Sides:
    """Return what a ledger would have recorded of these scenes."""
    sides = Sides()
    for scene in played:
        if scene.on_rest:
            content = scene.held.facturae()
            sides.rest[scene.hub_id] = _recorded(
                sides, scene, FeedName.REST, (content,), scene.held.attachments
            )
        if scene.legacy:
            sides.legacy[scene.hub_id] = _recorded(
                sides, scene, FeedName.LEGACY, scene.legacy, scene.legacy_attachments
            )
    return sides


def _recorded(
    sides: Sides,
    scene: Scene,
    feed: FeedName,
    files: tuple[bytes, ...],
    attachments: tuple[HeldAttachment, ...],
) -> Recorded:
    digests = [sha256(content) for content in files]
    sides.files |= dict(zip(digests, files, strict=True))
    invoice = scene.held.invoice
    series, unreadable = _read(files[0])
    return Recorded(
        feed=feed,
        hub_id=scene.hub_id,
        digest=digests[0],
        unreadable=unreadable,
        others=tuple(digests[1:]),
        number=invoice.number,
        series=series,
        supplier_nif=invoice.supplier_nif,
        receiver_nif=invoice.receiver_nif,
        issue_date=invoice.issue_date,
        amount=str(invoice.amount),
        registration_number=invoice.registration_number,
        registered_at=invoice.registered_at,
        attachments=tuple(
            RecordedAttachment(
                name=each.attachment.name, position=position, digest=sha256(each.content)
            )
            for position, each in enumerate(attachments, start=1)
        ),
        states=scene.held.history,
        first_seen_at=JUST_NOW if scene.kind is Kind.IN_FLIGHT else LONG_AGO,
    )


@cache
def _read(content: bytes) -> tuple[str | None, str | None]:
    """Return the series of an invoice file, and why it cannot be read."""
    try:
        return read_facts(content).series, None
    except FacturaeError as error:
        return None, str(error)
