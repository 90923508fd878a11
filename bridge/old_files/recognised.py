"""Files of the old mailbox as a listener recognises them: what each is, and whose.

The rules are those of `past`, and two more that only matter beside a mailbox at work: a file that
is called as an invoice in `out` and is no readable Facturae is that invoice, unreadable; and what
a message says of an invoice counts before the invoice itself has come. What lies in `statin` was
written by the RCF: it tells nothing of a registration.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.model import HubId, InvoiceFacts
from bridge.naming import Folder, Profile
from bridge.old_files.file import Broken, FileKind, OldFile, Statement, Statements
from bridge.old_files.invoices import hub_id_in_name
from bridge.old_files.past import OldAttachment, Past, attachment_of, role_of, weigh

ISSUED_FOLDERS = frozenset({Folder.IN, Folder.ADJIN})
"""What the platform itself sends."""

NO_FACTURAE = "the file is no Facturae"


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a file is, and the invoice that it belongs to, where there is one."""

    kind: FileKind
    hub_id: HubId | None = None


@dataclass(slots=True, kw_only=True)
class Told:
    """What files tell of one invoice."""

    hub_id: HubId
    file: OldFile | None = None
    """The invoice itself."""
    statement: Statement | None = None
    """The one with a registration, if there is one."""
    message: OldFile | None = None
    """That says so."""
    attachments: list[OldAttachment] = field(default_factory=list)

    @property
    def facts(self) -> InvoiceFacts | None:
        """What the invoice file says of itself."""
        content = self.file.content if self.file else None
        return content if isinstance(content, InvoiceFacts) else None

    @property
    def unreadable(self) -> str | None:
        """Why the invoice file is no readable Facturae."""
        if self.file is None or self.facts is not None:
            return None
        content = self.file.content
        return content.reason if isinstance(content, Broken) else NO_FACTURAE

    @property
    def accounting_office(self) -> str | None:
        """The DIR3 code of the accounting office that the invoice names (role 01)."""
        centres = self.facts.centres if self.facts else ()
        return next((centre.code for centre in centres if centre.role == "01"), None)


@dataclass(frozen=True, slots=True)
class Look:
    """What some files are, and what they tell."""

    files: Mapping[OldFile, Recognised]
    invoices: Mapping[HubId, Told]


def recognise(files: Sequence[OldFile], profiles: Mapping[str, Profile]) -> Look:
    """Return what the files are; names are read by the profile that most of them follow."""
    past = weigh(files, profiles)
    profile = profiles[past.names.profile]
    recognised = dict(_invoices(past, files)) | {
        it.file: Recognised(FileKind.ATTACHMENT, it.hub_id) for it in past.attachments
    }
    for file in files:
        if file not in recognised:
            recognised[file] = _other(file, profile)
    return Look(recognised, _told(recognised, past, profile))


def _invoices(past: Past, files: Iterable[OldFile]) -> Iterator[tuple[OldFile, Recognised]]:
    found = [(it.file, it.hub_id) for it in past.invoices] + list(past.copies)
    by_digest = {file.digest: hub_id for file, hub_id in reversed(found)}
    yield from ((file, Recognised(FileKind.INVOICE, hub_id)) for file, hub_id in found)
    named = {file for file, _ in found}
    for file in files:
        is_copy = isinstance(file.content, InvoiceFacts) and file.digest in by_digest
        if is_copy and file not in named:
            yield file, Recognised(FileKind.INVOICE, by_digest[file.digest])


def _other(file: OldFile, profile: Profile) -> Recognised:
    """Recognise what is no invoice with a hub id; an attachment may come a second time."""
    role = role_of(profile, file)
    if role in ISSUED_FOLDERS:
        return Recognised(FileKind.ISSUED)
    if enclosed := attachment_of(profile, file):
        return Recognised(FileKind.ATTACHMENT, enclosed.hub_id)
    content = file.content
    if isinstance(content, Statements):
        return _message(content, role)
    called = hub_id_in_name(profile, file.name)
    is_invoice = role is Folder.OUT or (role is None and isinstance(content, Broken))
    if called and is_invoice and not isinstance(content, InvoiceFacts):
        return Recognised(FileKind.INVOICE, called)
    return Recognised(FileKind.UNKNOWN)


def _message(content: Statements, role: Folder | None) -> Recognised:
    if content.said or role is Folder.STATIN:
        return Recognised(FileKind.STATE, content.said[0].hub_id if content.said else None)
    if content.answered:
        return Recognised(FileKind.ANSWER, content.answered[0] or None)
    return Recognised(FileKind.UNKNOWN)


def _told(
    recognised: Mapping[OldFile, Recognised], past: Past, profile: Profile
) -> dict[HubId, Told]:
    """Bring together what files tell of each invoice."""
    invoices: dict[HubId, Told] = {}
    for file, what in recognised.items():
        if what.kind is FileKind.INVOICE and what.hub_id is not None:
            told = invoices.setdefault(what.hub_id, Told(hub_id=what.hub_id))
            told.file = told.file or file
        elif what.kind is FileKind.STATE and role_of(profile, file) is not Folder.STATIN:
            for said in file.content.said if isinstance(file.content, Statements) else ():
                if said.registration_number or said.registered_at:
                    told = invoices.setdefault(said.hub_id, Told(hub_id=said.hub_id))
                    told.statement = told.statement or said
                    told.message = told.message or file
    for enclosed in past.attachments:
        told = invoices.setdefault(enclosed.hub_id, Told(hub_id=enclosed.hub_id))
        told.attachments.append(enclosed)
    return invoices
