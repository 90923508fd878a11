"""Learning from a folder of old mailbox files what the software had before the bridge came.

The folder is read whole before anything is written; it is never changed. What it tells goes into
the ledger: from then on an invoice that the software had is never placed, whichever feed brings it
(`inbound` asks the ledger). An invoice that lies in the mailbox at that moment stays there, since
the software may be about to take it: a person is told.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import structlog
from sqlalchemy import Connection

from bridge.account import Account
from bridge.durable import storage, write_file
from bridge.errors import SettingsError
from bridge.inbound.preparing import prepare
from bridge.ledger import events, learned, placed_files
from bridge.ledger.contents import Contents, contents_of
from bridge.ledger.learned import Known, Learned, LearnedAttachment, LearnedInvoice
from bridge.ledger.placed_files import Kind
from bridge.model import HubId, Invoice
from bridge.naming import parse_profile
from bridge.old_files.file import OldFile
from bridge.old_files.folder import Unread, read_again, read_folder
from bridge.old_files.habits import profile_text
from bridge.old_files.invoices import OldInvoice
from bridge.old_files.past import NamesFound, Past, weigh
from bridge.settings import read_profile

log = structlog.get_logger()

AT_ONCE = 100
"""Invoices written down in one transaction."""

WORKERS = 8
"""Files put into the archive at once: most of the time goes by waiting for the disk."""

PROFILES = "profiles"
"""The folder in `data_dir` for the naming profiles that were learned, one an account."""

_Found = tuple[OldFile, HubId, Learned]
"""What goes into the ledger, and the file that tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What was learned from a folder."""

    account: str
    profile: str
    """The account's."""
    collected: bool
    """Whether the invoices were to count as collected."""
    invoices: int
    new: int
    """How many were not known, or not counted as collected, before."""
    attachments: int
    without_hub_id: tuple[str, ...]
    """Names of the invoices that could not be told from others, and so were not counted."""
    issued: int
    """How many invoices were passed over, as the platform's own."""
    codes: Mapping[str, str]
    """Addressing codes by NIF, of this account, from this folder and all before."""
    disagreeing: Mapping[str, Mapping[str, int]]
    """Of these NIFs files say several codes: how many files say each."""
    names: NamesFound
    profile_file: Path | None
    """The naming profile that was written; None where the files show nothing of one."""
    problems: tuple[str, ...]
    """What could not be read or decided, in sentences."""

    @property
    def complete(self) -> bool:
        """Whether all of the folder was understood."""
        return bool(self.invoices) and not self.problems and not self.without_hub_id


def learn(account: Account, folder: Path, *, collected: bool) -> Lesson:
    """Learn from a folder; `collected` says that the software has what is in it.

    Raises SettingsError for a folder that is none, or that is the bridge's own.
    """
    _refuse_wrong(folder, own=account.settings.data_dir)
    found = list(read_folder(folder))
    unread = [it for it in found if isinstance(it, Unread)]
    past = weigh([it for it in found if isinstance(it, OldFile)], account.profiles())
    prepare(account)
    with account.mailbox.turn("learn"):
        account.mailbox.clear_staged("learn")
        with account.ledger.read() as connection:
            known = learned.known(connection, account.name)
        new = [it for it in past.invoices if _is_new(known.get(it.hub_id), collected=collected)]
        now = account.clock()
        _write_down(account, folder, _invoices(new, collected=collected, now=now))
        with account.ledger.read() as connection:
            attachments = list(_attachments(connection, account, past))
        _write_down(account, folder, attachments)
    with account.ledger.read() as connection:
        lying = _in_mailbox(connection, account) if collected else {}
    problems = (
        *(f"{it.path}: not read: {it.reason}" for it in unread),
        *past.problems,
        *_differing(past, known),
        *(_say_lying(it.hub_id, lying[it.hub_id]) for it in past.invoices if it.hub_id in lying),
    )
    log.info("learned", account=account.name, invoices=len(past.invoices), new=len(new))
    with account.ledger.read() as connection:
        return Lesson(
            account=account.name,
            profile=account.own.profile,
            collected=collected,
            invoices=len(past.invoices),
            new=len(new),
            attachments=len(attachments),
            without_hub_id=tuple(file.name for file in past.without_hub_id),
            issued=past.issued,
            codes=learned.codes(connection, account.name),
            disagreeing=learned.disagreeing_codes(connection, account.name),
            names=past.names,
            profile_file=_write_profile(account, folder, past.names),
            problems=problems,
        )


def _write_profile(account: Account, folder: Path, names: NamesFound) -> Path | None:
    """Write what the files show into a naming profile of its own; nothing uses it by itself."""
    if not names.habits:
        return None
    path = account.settings.data_dir / PROFILES / f"{account.name}.toml"
    head = (
        f"Naming profile of account {account.name}, learned {account.clock():%Y-%m-%d} from the "
        f"files in {str(folder)!r}.\nWhat no file showed is as in profile {names.profile!r}.\n"
        "This file is written anew by each `learn`: change a copy, and name that in the settings."
    )
    text = profile_text(read_profile(names.profile), names.habits, head=head)
    parse_profile(text)
    staged = account.mailbox.staged("learn")
    write_file(staged, text.encode())
    with storage(f"naming profile {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(path)
    return path


def _refuse_wrong(folder: Path, *, own: Path) -> None:
    with storage(str(folder)):
        if not folder.is_dir():
            raise SettingsError(f"{folder}: there is no such folder")
        here, there = folder.resolve(), own.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise SettingsError(
            f"{folder}: the bridge keeps its own files there (data_dir is {own}); learning is from "
            "files of the old mailbox: give a folder that holds only these"
        )


def _is_new(known: Known | None, *, collected: bool) -> bool:
    return known is None or (collected and not known.collected)


def _in_mailbox(connection: Connection, account: Account) -> dict[HubId, str]:
    """Return the names of the invoices that the software sees, or is about to."""
    placed = placed_files.visible(connection, account.name)
    visible = [file for file in placed if not account.mailbox.is_gone(file.folder, file.name)]
    coming = placed_files.placing(connection, account.name, frozenset({Kind.INVOICE}))
    return {
        file.hub_id: f"{account.mailbox.profile.folder(file.folder)}/{file.name}"
        for file in [*visible, *coming]
        if file.kind is Kind.INVOICE and file.hub_id
    }


def _say_lying(hub_id: HubId, where: str) -> str:
    return (
        f"invoice {hub_id} lies in the mailbox as {where}, and the software has had it already: "
        "delete it there, unless the software is to take it once more"
    )


def _differing(past: Past, known: Mapping[HubId, Known]) -> Iterator[str]:
    for invoice in past.invoices:
        before = known.get(invoice.hub_id)
        if before is not None and before.digest not in (None, invoice.file.digest):
            yield (
                f"{invoice.file.path}: another file, which differs, was learned before as invoice "
                f"{invoice.hub_id}: the earlier one stays"
            )


def _invoices(
    invoices: Iterable[OldInvoice], *, collected: bool, now: datetime
) -> Iterator[_Found]:
    for invoice in invoices:
        at = min(invoice.file.modified, now) if collected else None
        told = LearnedInvoice(
            name=invoice.file.name,
            contents=_contents(invoice),
            collected_at=at,
            codes=invoice.codes,
        )
        yield invoice.file, invoice.hub_id, told


def _attachments(connection: Connection, account: Account, past: Past) -> Iterator[_Found]:
    """Yield the new attachments of invoices that count as collected."""
    invoices = learned.known(connection, account.name)
    known = learned.known_attachments(connection, account.name)
    collected = {hub_id for hub_id, invoice in invoices.items() if invoice.collected}
    now = account.clock()
    for found in past.attachments:
        if found.hub_id in collected and (found.hub_id, found.position) not in known:
            told = LearnedAttachment(
                position=found.position,
                name=found.file.name,
                digest=found.file.digest,
                collected_at=min(found.file.modified, now),
            )
            yield found.file, found.hub_id, told


def _write_down(account: Account, folder: Path, found: Iterable[_Found]) -> None:
    """Write down what was learned, its file first; not while a round decides what to place."""
    waiting = iter(found)
    while some := list(islice(waiting, AT_ONCE)):
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="learn") as pool:
            for kept in [pool.submit(_keep, account, folder, file) for file, _, _ in some]:
                kept.result()
        with account.mailbox.turn("inbound"), account.ledger.write() as connection:
            now = account.clock()  # after the round before it: see `came_with_learned`
            for _, hub_id, told in some:
                learned.add(connection, account.name, hub_id, told, at=now)
                events.record(
                    connection,
                    account.name,
                    "invoice learned" if isinstance(told, LearnedInvoice) else "attachment learned",
                    at=now,
                    actor="operator",
                    hub_id=hub_id,
                    also=learned.as_detail(told),
                )


def _keep(account: Account, folder: Path, file: OldFile) -> None:
    """Put a file into the archive."""
    if not account.mailbox.archive.path(file.digest).exists():
        account.mailbox.keep_bytes(read_again(folder, file), purpose="learn")


def _contents(invoice: OldInvoice) -> Contents:
    facts, said = invoice.facts, invoice.statement
    hub_says = Invoice(
        hub_id=invoice.hub_id,
        number=said.number if said else None,
        amount=facts.total,
        registration_number=said.registration_number if said else None,
        registered_at=said.registered_at if said else None,
    )
    return contents_of(
        hub_says, facts, digest=invoice.file.digest, receipt_digest=None, receipt_trouble=None
    )
