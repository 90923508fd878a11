"""A folder of old files, or a live old mailbox, as the legacy side of a report.

Only read, and not recorded: a saved folder of everything that the software ever fetched is as good
a legacy side as a mailbox that was listened to. What a file is and whose, `recognised` says. What
may be an invoice and has no hub id is never passed over: it gets a row under its file's name.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePath, PurePosixPath

import structlog

from bridge import feedback
from bridge.errors import RcfFileError, SettingsError
from bridge.feeds.legacy import NotRead, OldMailboxReader
from bridge.model import Digest, FeedName, HubId, InvoiceFacts, digest_of
from bridge.naming import Folder, Profile
from bridge.old_files.file import Broken, FileKind, OldFile, receipts, what_it_is
from bridge.old_files.folder import Unread
from bridge.old_files.invoices import hub_id_in_name
from bridge.old_files.recognised import NO_FACTURAE, Look, Told, recognise
from bridge.recorded import Recorded, RecordedAttachment
from reconcile.pairs import with_further
from reconcile.parallel import read_old_folder
from reconcile.shelf import Shelf

log = structlog.get_logger()

_NO_INVOICES = frozenset({Folder.ADJOUT, Folder.STATOUT, Folder.STATIN, Folder.IN, Folder.ADJIN})
_ENDINGS = (".xml", ".xsig")

FindId = Callable[[InvoiceFacts], HubId | None]
"""Finds the hub id of an invoice by what it says of itself; None unless exactly one fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSide:
    """What a folder or an old mailbox holds."""

    recorded: Mapping[HubId, Recorded]
    state_files: tuple[OldFile, ...]
    """What the software gave it, oldest first."""
    refused_files: frozenset[str]
    """Names of state files that the old hub answered with a no."""
    tells_attachments: bool
    """Whether there is any attachment; else nobody saved them, and none is missing."""


def read_folder_side(
    folder: Path,
    profiles: Mapping[str, Profile],
    shelf: Shelf,
    find_id: FindId,
    *,
    rest: Iterable[Recorded],
) -> OldSide:
    """Read a folder of old files of any depth; raises SettingsError if there is none.

    `rest` is what the other side recorded: the same bytes need not be parsed again.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder}: there is no such folder")
    known = {it.digest: it for it in rest if it.digest and not it.unreadable}
    found = list(read_old_folder(folder, known))
    files = [it for it in found if isinstance(it, OldFile)]
    shelf.know(folder, {file.digest: file for file in files})
    unread = [
        (it.path.as_posix(), it.path.name, it.reason) for it in found if isinstance(it, Unread)
    ]
    return _side(files, unread, profiles, shelf, find_id)


def read_mailbox_side(
    reader: OldMailboxReader, profiles: Mapping[str, Profile], shelf: Shelf, find_id: FindId
) -> OldSide:
    """Read a live old mailbox; raises OldMailboxAwayError, OldMailboxRefusedError."""
    files, unread = [], []
    now = datetime.now(UTC)
    for entry in reader.entries():
        read = reader.read(entry)
        if isinstance(read, NotRead):
            unread.append((entry.path, entry.name, read.reason))
            continue
        files.append(
            OldFile(
                path=PurePosixPath(entry.path),
                name=entry.name,
                modified=entry.modified or read.modified or now,
                digest=shelf.put(read.content),
                content=what_it_is(read.content),
            )
        )
    return _side(files, unread, profiles, shelf, find_id)


# -- what the files come to ----------------------------------------------------------------------

_Unread = tuple[str, str, str]
"""The path and the name of a file that could not be read, and why."""


def _side(
    files: Sequence[OldFile],
    unread: Iterable[_Unread],
    profiles: Mapping[str, Profile],
    shelf: Shelf,
    find_id: FindId,
) -> OldSide:
    look = recognise(files, profiles)
    profile = next(iter(profiles.values()))
    others = _further_files(look)
    recorded = {
        hub_id: _recorded(told, others.get(hub_id, ()), shelf)
        for hub_id, told in look.invoices.items()
        if told.file is not None
    }
    for one in _nameless(look, profile, shelf, find_id):
        known = recorded.get(one.hub_id)
        recorded[one.hub_id] = one if known is None else with_further(known, one)
    for path, name, reason in unread:
        hub_id = hub_id_in_name(profile, name)
        log.warning("file not read", path=path, reason=reason)
        if hub_id and _may_be_invoice(profile, PurePosixPath(path)):
            recorded.setdefault(hub_id, _unreadable(hub_id, name, reason))
    return OldSide(
        recorded=recorded,
        state_files=_state_files(files, profile),
        refused_files=frozenset(_refused(look, shelf)),
        tells_attachments=any(told.attachments for told in look.invoices.values()),
    )


def _receipt(told: Told, shelf: Shelf) -> Digest | None:
    """Return the digest of the receipt that a message holds."""
    if told.message is None:
        return None
    found = receipts(shelf.content(told.message.digest)).get(told.hub_id)
    return digest_of(found) if found else None


def _further_files(look: Look) -> dict[HubId, tuple[Digest, ...]]:
    """Return the digests of all files of each invoice that has several."""
    found: dict[HubId, dict[Digest, None]] = defaultdict(dict)
    for file, what in look.files.items():
        if what.kind is FileKind.INVOICE and what.hub_id is not None:
            found[what.hub_id][file.digest] = None
    return {hub_id: tuple(digests) for hub_id, digests in found.items() if len(digests) > 1}


def _recorded(told: Told, files: tuple[Digest, ...], shelf: Shelf) -> Recorded:
    assert told.file is not None
    facts, said = told.facts, told.statement
    return Recorded(
        feed=FeedName.LEGACY,
        hub_id=told.hub_id,
        digest=told.file.digest,
        unreadable=told.unreadable,
        others=tuple(digest for digest in files if digest != told.file.digest),
        name=told.file.name,
        number=(said.number if said else None) or (facts.number if facts else None),
        series=facts.series if facts else None,
        supplier_nif=facts.seller_nif if facts else said.supplier_nif if said else None,
        receiver_nif=facts.buyer_nif if facts else None,
        accounting_office=told.accounting_office,
        issue_date=facts.issue_date if facts else said.issue_date if said else None,
        amount=_amount(facts),
        registration_number=said.registration_number if said else None,
        registered_at=said.registered_at if said else None,
        receipt=_receipt(told, shelf),
        attachments=tuple(
            RecordedAttachment(name=each.file.name, position=each.position, digest=each.file.digest)
            for each in sorted(told.attachments, key=lambda each: each.position)
        ),
        last_seen_at=told.file.modified,
    )


def _amount(facts: InvoiceFacts | None) -> str | None:
    return None if facts is None or facts.total is None else str(facts.total)


def _nameless(look: Look, profile: Profile, shelf: Shelf, find_id: FindId) -> Iterator[Recorded]:
    """Yield what may be an invoice and has no hub id, under the one that fits or its own name."""
    for file, what in look.files.items():
        if what.kind is not FileKind.UNKNOWN or not _may_be_invoice(profile, file.path):
            continue
        if isinstance(file.content, InvoiceFacts):
            facts = file.content
            hub_id = find_id(facts) or HubId(file.path.as_posix())
            told = look.invoices.get(hub_id)
            if told is None or told.file is not None:
                told = Told(hub_id=hub_id)
            yield _recorded(replace(told, file=file), (), shelf)
        elif file.name.lower().endswith(_ENDINGS):
            named = hub_id_in_name(profile, file.name)
            if isinstance(file.content, Broken):
                hub_id = named or HubId(file.path.as_posix())
                yield _unreadable(hub_id, file.name, file.content.reason)
            elif named and file.content is None:
                yield _unreadable(named, file.name, NO_FACTURAE)


def _unreadable(hub_id: HubId, name: str, reason: str) -> Recorded:
    return Recorded(feed=FeedName.LEGACY, hub_id=hub_id, name=name, unreadable=reason)


def _may_be_invoice(profile: Profile, path: PurePath) -> bool:
    return profile.role_in(path.parts[:-1]) not in _NO_INVOICES


def _state_files(files: Iterable[OldFile], profile: Profile) -> tuple[OldFile, ...]:
    given = [it for it in files if profile.role_in(it.path.parts[:-1]) is Folder.STATIN]
    return tuple(sorted(given, key=lambda file: (file.modified, file.name)))


def _refused(look: Look, shelf: Shelf) -> Iterator[str]:
    """Yield the names of the state files that answers are about."""
    for file, what in look.files.items():
        if what.kind is FileKind.ANSWER:
            try:
                entries = feedback.read(shelf.content(file.digest)).entries
            except RcfFileError:
                continue
            yield from (it.hub.filename for it in entries if it.hub and it.hub.filename)
