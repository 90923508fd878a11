"""What files of an old mailbox tell: hub ids, addressing codes, and how the files were called.

A file is what its bytes say: a Facturae is an invoice, a DeliveryFeedback makes statements about
invoices. A name alone makes nothing an invoice, since messages are named in the same way. It gives
an invoice its hub id; where it gives none, statements may, if exactly one invoice fits. Nothing is
guessed: what stays open is said to be so.

What lies in `in` without a hub id, and in `adjin`, is counted and passed over: the platform issued
it. With a hub id it was received: what is "in" to the old mailbox is not so to every archive.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from bridge.habits import Habit, NamedFile, habits
from bridge.identity import number_forms, plain_nif, plain_number
from bridge.model import Digest, HubId, InvoiceFacts
from bridge.naming import Folder, NameParts, Profile
from bridge.old_file import EMPTY, Broken, OldFile, Statement, Statements

MOST_ATTACHMENTS = 999
"""The number of an attachment has three digits (legacy-ftp, "File names"); more is a hub id."""

_HUB_ID = re.compile(r"[A-Za-z0-9_-]+")
"""`4100055 (2)` is what a file manager calls a copy, not a hub id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldInvoice:
    """An invoice that the software had, and what is known of it."""

    file: OldFile
    facts: InvoiceFacts
    hub_id: HubId
    statement: Statement | None
    """What a message says of it, the registration among it, if there is one."""
    codes: tuple[tuple[str, str], ...]
    """Pairs of a tax id, in its plain form, and the addressing code that stands for it."""


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
    received = [file for file in files if _role(profile, file) is not Folder.ADJIN]
    attachments = [found for file in received if (found := attachment_of(profile, file))]
    enclosed = {found.file.path for found in attachments}
    rest = [file for file in received if file.path not in enclosed]
    named = [
        _Named(file=file, facts=file.content, parts=_parts(profile, file))
        for file in rest
        if isinstance(file.content, InvoiceFacts)
    ]
    invoices = [it for it in named if it.hub_id or _role(profile, it.file) is not Folder.IN]
    messages = [file for file in rest if isinstance(file.content, Statements)]
    statements = _Index(said for file in messages for said in _said(file))
    by_id, problems = _by_name(invoices, statements)
    identified, without = _identify(by_id, invoices, statements)
    broken = [file for file in rest if _is_broken_invoice(profile, file)]
    return Past(
        invoices=tuple(identified),
        copies=tuple((it.file, hub_id) for hub_id, named in by_id.items() for it in named[1:]),
        attachments=_once(attachments),
        without_hub_id=without,
        problems=(*problems, *map(_say_broken, broken)),
        issued=len(named) - len(invoices),
        names=_names_found(profile_name, profile, invoices, attachments, messages),
    )


def _followed(files: Sequence[OldFile], profiles: Mapping[str, Profile]) -> tuple[str, Profile]:
    names = [file.name for file in files if isinstance(file.content, InvoiceFacts)]

    def fitting(profile: Profile) -> int:
        return sum(profile.parse(Folder.OUT, name) is not None for name in names)

    return max(profiles.items(), key=lambda item: fitting(item[1]))


def _role(profile: Profile, file: OldFile) -> Folder | None:
    """Return what the nearest folder is for whose name tells it."""
    return profile.role_in(file.path.parts[:-1])


def attachment_of(profile: Profile, file: OldFile) -> OldAttachment | None:
    """Return the attachment that a file is by its name, even if it is a Facturae itself."""
    role = _role(profile, file)
    if role not in {Folder.ADJOUT, None}:
        return None
    parts = profile.parse(Folder.ADJOUT, file.name)
    if parts is None or not _is_hub_id(parts.hub_id) or parts.attachment is None:
        return None
    if not 1 <= parts.attachment <= MOST_ATTACHMENTS:
        return None
    return OldAttachment(file=file, hub_id=HubId(str(parts.hub_id)), position=parts.attachment)


def hub_id_in_name(profile: Profile, name: str) -> HubId | None:
    """Return the hub id that the name of an invoice tells, whatever the file holds."""
    parts = profile.parse(Folder.OUT, name)
    known = parts is not None and _is_hub_id(parts.hub_id)
    return HubId(str(parts.hub_id)) if parts and known else None


def _once(attachments: Iterable[OldAttachment]) -> tuple[OldAttachment, ...]:
    found: dict[tuple[HubId, int], OldAttachment] = {}
    for attachment in attachments:
        found.setdefault((attachment.hub_id, attachment.position), attachment)
    return tuple(found.values())


def _is_hub_id(text: str | None) -> bool:
    return text is not None and _HUB_ID.fullmatch(text) is not None


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
    if _role(profile, file) in {Folder.STATOUT, Folder.STATIN}:
        return None
    return profile.parse(Folder.OUT, file.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """An invoice, and what its name tells."""

    file: OldFile
    facts: InvoiceFacts
    parts: NameParts | None

    @property
    def hub_id(self) -> HubId | None:
        known = self.parts is not None and _is_hub_id(self.parts.hub_id)
        return HubId(str(self.parts.hub_id)) if self.parts and known else None

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """Which code stands for which tax id; a tax id that stands for itself is no code."""
        if self.parts is None:
            return ()
        pairs = (
            (plain_nif(self.facts.seller_nif), self.parts.sender),
            (plain_nif(self.facts.buyer_nif), self.parts.receiver),
        )
        return tuple((nif, code) for nif, code in pairs if nif and code and plain_nif(code) != nif)


class _Index:
    """Statements by what invoices can be recognised by."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self._by_hub_id: dict[HubId, Statement] = {}
        self._by_filename: dict[str, set[HubId]] = defaultdict(set)
        self._by_facts: dict[tuple[str, date], set[tuple[str, HubId]]] = defaultdict(set)
        for said in statements:
            known = self._by_hub_id.get(said.hub_id)
            if known is None or (known.registered_at is None and said.registered_at):
                self._by_hub_id[said.hub_id] = said
            if not _is_hub_id(said.hub_id):
                continue
            if said.filename:
                self._by_filename[_file_key(said.filename)].add(said.hub_id)
            if said.number and said.supplier_nif and said.issue_date:
                key = (plain_nif(said.supplier_nif), said.issue_date)
                self._by_facts[key].add((plain_number(said.number), said.hub_id))

    def of(self, hub_id: HubId) -> Statement | None:
        return self._by_hub_id.get(hub_id)

    def of_name(self, name: str) -> set[HubId]:
        return self._by_filename.get(_file_key(name), set())

    def of_facts(self, facts: InvoiceFacts) -> set[HubId]:
        if not (facts.number and facts.seller_nif and facts.issue_date):
            return set()
        said = self._by_facts.get((plain_nif(facts.seller_nif), facts.issue_date), set())
        forms = number_forms(file_number=facts.number, series=facts.series)
        return {hub_id for number, hub_id in said if number in forms}


def _said(file: OldFile) -> tuple[Statement, ...]:
    return file.content.said if isinstance(file.content, Statements) else ()


def _file_key(name: str) -> str:
    return re.sub(r"\.(?:xml|xsig)$", "", name.casefold())


def _by_name(
    invoices: Sequence[_Named], statements: _Index
) -> tuple[dict[HubId, list[_Named]], list[str]]:
    """Return the invoices by the hub ids in their names, and what could not be decided."""
    problems: list[str] = []
    by_id: dict[HubId, list[_Named]] = defaultdict(list)
    for invoice in invoices:
        if invoice.hub_id is None:
            continue
        others = statements.of_name(invoice.file.name) - {invoice.hub_id}
        if others:
            problems.append(_say_contradicted(invoice, others))
        else:
            by_id[invoice.hub_id].append(invoice)
    for hub_id, found in by_id.items():
        other = next((it for it in found if it.file.digest != found[0].file.digest), None)
        if other is not None:
            problems.append(
                f"{found[0].file.path} and {other.file.path} are both called invoice {hub_id} but "
                "differ: the first one is taken"
            )
    return by_id, problems


def _identify(
    by_id: Mapping[HubId, Sequence[_Named]], invoices: Sequence[_Named], statements: _Index
) -> tuple[list[OldInvoice], tuple[OldFile, ...]]:
    """Return the invoices by their hub ids, and those that have none."""
    # The same bytes under a name that tells the hub id are a copy.
    known = {invoice.file.digest for found in by_id.values() for invoice in found}
    nameless = [it for it in invoices if it.hub_id is None and it.file.digest not in known]
    claimed = _claims(nameless, statements, taken=by_id.keys())
    known = {invoice.file.digest for invoice in claimed.values()}
    without = {it.file.digest: it.file for it in nameless if it.file.digest not in known}
    firsts = {hub_id: found[0] for hub_id, found in by_id.items()} | claimed
    identified = [
        OldInvoice(
            file=invoice.file,
            facts=invoice.facts,
            hub_id=hub_id,
            statement=statements.of(hub_id),
            codes=invoice.codes,
        )
        for hub_id, invoice in firsts.items()
    ]
    return identified, tuple(without.values())


def _say_contradicted(invoice: _Named, others: Iterable[HubId]) -> str:
    return (
        f"{invoice.file.path}: by its name this is invoice {invoice.hub_id}, by a state message "
        f"{', '.join(sorted(others))}: not counted as either"
    )


def _claims(
    invoices: Sequence[_Named], statements: _Index, *, taken: Iterable[HubId]
) -> dict[HubId, _Named]:
    """Return the invoices that statements give a hub id, where only one invoice can have it."""
    claims: dict[HubId, dict[Digest, _Named]] = defaultdict(dict)
    for invoice in invoices:
        said = statements.of_name(invoice.file.name) or statements.of_facts(invoice.facts)
        if len(said) == 1:
            (hub_id,) = said
            claims[hub_id].setdefault(invoice.file.digest, invoice)
    return {
        hub_id: next(iter(claiming.values()))
        for hub_id, claiming in claims.items()
        if len(claiming) == 1 and hub_id not in taken
    }


def _names_found(
    name: str,
    profile: Profile,
    invoices: Sequence[_Named],
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
    role = Folder.STATIN if _role(profile, file) is Folder.STATIN else Folder.STATOUT
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
