"""What files of an old mailbox tell: hub ids, addressing codes, and how the files were called.

A file is what its bytes say: a Facturae is an invoice, a DeliveryFeedback makes statements about
invoices. A name alone makes nothing an invoice, since messages are named in the same way. Which
invoice it is, is for `invoices` to say.

What lies in `in` without a hub id, and in `adjin`, is counted and passed over: the platform issued
it. With a hub id it was received: what is "in" to the old mailbox is not so to every archive.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.model import HubId, InvoiceFacts
from bridge.naming import Folder, NameParts, Profile
from bridge.old_files.file import EMPTY, Broken, OldFile, Statement, Statements
from bridge.old_files.habits import Habit, NamedFile, habits
from bridge.old_files.invoices import NamedInvoice, OldInvoice, identify, is_hub_id

MOST_ATTACHMENTS = 999
"""The number of an attachment has three digits (legacy-ftp, "File names"); more is a hub id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldAttachment:
    """An attachment that the software had; `position` counts from 1 within the invoice."""

    file: OldFile
    hub_id: HubId
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesFound:
    """How the invoices were called, against a naming profile."""

    profile: str
    fitting: int
    total: int
    habits: tuple[Habit, ...]
    """What the files show of the profile's keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the files of an old mailbox tell together."""

    invoices: tuple[OldInvoice, ...]
    """Each hub id once."""
    copies: tuple[tuple[OldFile, HubId], ...]
    """Further files that are called by a hub id that an invoice has already."""
    attachments: tuple[OldAttachment, ...]
    without_hub_id: tuple[OldFile, ...]
    problems: tuple[str, ...]
    """What could not be decided, in sentences."""
    issued: int
    """How many invoices were passed over, as the platform's own."""
    names: NamesFound


def weigh(files: Sequence[OldFile], profiles: Mapping[str, Profile]) -> Past:
    """Return what the files tell; names are read by the profile that most of them follow.

    Of several profiles that fit as many names the first counts.
    """
    profile_name, profile = _followed(files, profiles)
    received = [file for file in files if role_of(profile, file) is not Folder.ADJIN]
    attachments = [found for file in received if (found := attachment_of(profile, file))]
    enclosed = {found.file.path for found in attachments}
    rest = [file for file in received if file.path not in enclosed]
    named = [
        NamedInvoice(file=file, facts=file.content, parts=_parts(profile, file))
        for file in rest
        if isinstance(file.content, InvoiceFacts)
    ]
    invoices = [it for it in named if it.hub_id or role_of(profile, it.file) is not Folder.IN]
    messages = [file for file in rest if isinstance(file.content, Statements)]
    identified = identify(invoices, (said for file in messages for said in _said(file)))
    broken = [file for file in rest if _is_broken_invoice(profile, file)]
    return Past(
        invoices=identified.invoices,
        copies=identified.copies,
        attachments=_once(attachments),
        without_hub_id=identified.without_hub_id,
        problems=(*identified.problems, *map(_say_broken, broken)),
        issued=len(named) - len(invoices),
        names=_names_found(profile_name, profile, invoices, attachments, messages),
    )


def _followed(files: Sequence[OldFile], profiles: Mapping[str, Profile]) -> tuple[str, Profile]:
    names = [file.name for file in files if isinstance(file.content, InvoiceFacts)]

    def fitting(profile: Profile) -> int:
        return sum(profile.parse(Folder.OUT, name) is not None for name in names)

    return max(profiles.items(), key=lambda item: fitting(item[1]))


def role_of(profile: Profile, file: OldFile) -> Folder | None:
    """Return what the nearest folder is for whose name tells it."""
    return profile.role_in(file.path.parts[:-1])


def attachment_of(profile: Profile, file: OldFile) -> OldAttachment | None:
    """Return the attachment that a file is by its name, even if it is a Facturae itself."""
    role = role_of(profile, file)
    if role not in {Folder.ADJOUT, None}:
        return None
    parts = profile.parse(Folder.ADJOUT, file.name)
    if parts is None or not is_hub_id(parts.hub_id) or parts.attachment is None:
        return None
    if not 1 <= parts.attachment <= MOST_ATTACHMENTS:
        return None
    return OldAttachment(file=file, hub_id=HubId(parts.hub_id), position=parts.attachment)


def _once(attachments: Iterable[OldAttachment]) -> tuple[OldAttachment, ...]:
    found: dict[tuple[HubId, int], OldAttachment] = {}
    for attachment in attachments:
        found.setdefault((attachment.hub_id, attachment.position), attachment)
    return tuple(found.values())


def _is_broken_invoice(profile: Profile, file: OldFile) -> bool:
    """Tell whether a broken file may have been an invoice; of an empty one only the name tells."""
    if not isinstance(file.content, Broken):
        return False
    return file.content is not EMPTY or profile.parse(Folder.OUT, file.name) is not None


def _say_broken(file: OldFile) -> str:
    assert isinstance(file.content, Broken)
    return f"{file.path}: this cannot be read, and may have been an invoice: {file.content.reason}"


def _parts(profile: Profile, file: OldFile) -> NameParts | None:
    """Return what an invoice's name tells.

    In the folders of messages the last part is no hub id.
    """
    if role_of(profile, file) in {Folder.STATOUT, Folder.STATIN}:
        return None
    return profile.parse(Folder.OUT, file.name)


def _said(file: OldFile) -> tuple[Statement, ...]:
    return file.content.said if isinstance(file.content, Statements) else ()


def _names_found(
    name: str,
    profile: Profile,
    invoices: Sequence[NamedInvoice],
    attachments: Sequence[OldAttachment],
    messages: Sequence[OldFile],
) -> NamesFound:
    files = [
        *(
            _named_file(profile, Folder.OUT, it.file, parts=it.parts, facts=it.facts)
            for it in invoices
        ),
        *(_named_file(profile, Folder.ADJOUT, it.file) for it in attachments),
        *(_message(profile, file) for file in messages),
    ]
    return NamesFound(
        profile=name,
        fitting=sum(it.parts is not None for it in invoices),
        total=len(invoices),
        habits=habits(profile, files),
    )


def _message(profile: Profile, file: OldFile) -> NamedFile:
    """Return a DeliveryFeedback by the folder that it lay in; else the hub is taken to say it."""
    role = Folder.STATIN if role_of(profile, file) is Folder.STATIN else Folder.STATOUT
    return _named_file(profile, role, file, parts=profile.parse(role, file.name))


def _named_file(
    profile: Profile,
    role: Folder,
    file: OldFile,
    *,
    parts: NameParts | None = None,
    facts: InvoiceFacts | None = None,
) -> NamedFile:
    folders = (part for part in reversed(file.path.parts[:-1]) if profile.role_of(part))
    return NamedFile(role=role, folder=next(folders, None), parts=parts, facts=facts)
