"""An invoice as the old mailbox delivers it: names and bytes of its files (legacy-ftp)."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from bridge import feedback, messages
from bridge.naming import Folder, NameParts, Profile, extension_of
from bridge.sandbox.records import HeldAttachment, HeldInvoice

CODE_LENGTH = 22
"""Characters of an addressing code, as in the one public test."""


def addressing_code(nif: str | None) -> str:
    """Return the hub's addressing code of a tax id, always the same one."""
    return hashlib.sha256((nif or "").encode()).hexdigest()[:CODE_LENGTH].upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class OldFile:
    """One file for the mailbox."""

    folder: Folder
    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OldForm:
    """How this mailbox calls its files."""

    profile: Profile
    message_ids: Iterator[int] = field(default_factory=lambda: count(8_100_001))

    def invoice(self, held: HeldInvoice, *, now: datetime) -> tuple[OldFile, OldFile]:
        """Return the state message and the invoice, in the order in which they are to appear."""
        name = self.profile.invoice_name(_parts(held))
        message = messages.registered(
            held.invoice,
            None,
            listed_nif=held.invoice.receiver_nif,
            receipt=held.receipt() if held.receipt else None,
            filename=name,
            now=now,
        )
        return (
            self._message(_parts(held), message),
            OldFile(folder=Folder.OUT, name=name, content=held.facturae()),
        )

    def further(self, held: HeldInvoice, content: bytes) -> OldFile:
        """Return one more file under an invoice's hub id, which the name's end tells apart."""
        name = self.profile.invoice_name(_parts(held))
        return OldFile(folder=Folder.OUT, name=f"{name.rpartition('.')[0]}.xsig", content=content)

    def attachment(self, held: HeldInvoice, number: int, attached: HeldAttachment) -> OldFile:
        """Return an attachment; `number` counts from 1 within the invoice."""
        extension = extension_of(attached.attachment.name)
        parts = _parts(held, attachment=number, extension=extension)
        return OldFile(
            folder=Folder.ADJOUT,
            name=self.profile.attachment_name(parts),
            content=attached.content,
        )

    def answer(
        self, held: HeldInvoice | None, refused: list[messages.Refused], *, name: str, now: datetime
    ) -> OldFile:
        """Return the answer to a state file of this name; `held` is the invoice it was about."""
        code = name.split("@", maxsplit=1)[0]
        parts = _parts(held) if held else NameParts(sender=code, receiver=code, reference=name)
        return self._message(parts, messages.refused(refused, filename=name, now=now))

    def _message(self, parts: NameParts, message: feedback.DeliveryFeedback) -> OldFile:
        named = NameParts(
            sender=parts.sender,
            receiver=parts.receiver,
            reference=parts.reference,
            message_id=str(next(self.message_ids)),
        )
        name = self.profile.message_name(named)
        return OldFile(folder=Folder.STATOUT, name=name, content=feedback.write(message))


def _parts(
    held: HeldInvoice, *, attachment: int | None = None, extension: str | None = None
) -> NameParts:
    return NameParts(
        sender=addressing_code(held.invoice.supplier_nif),
        receiver=addressing_code(held.invoice.receiver_nif),
        reference=held.invoice.number or "",
        hub_id=held.hub_id,
        attachment=attachment,
        extension=extension,
    )
