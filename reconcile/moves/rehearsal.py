"""A rehearsal: there and back, on a copy, so that an administration has done it before the day.

The ledger is copied, the files of archive and mailbox are linked into a folder of their own beside
them; the old mailbox is a folder made of what was recorded of the real one, the hub answers out of
what was recorded. No line leaves this machine, and nothing of the originals is changed. The folder
goes when the rehearsal ends.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import select

from bridge.account import Account, open_account
from bridge.durable import storage
from bridge.errors import OldMailboxFileError
from bridge.feeds.legacy import open_writer
from bridge.inbound.preparing import prepare
from bridge.ledger import Ledger, accounts
from bridge.ledger.journal import NAME as JOURNAL
from bridge.ledger.moves import MoveKind
from bridge.ledger.recorded_files import is_aside
from bridge.ledger.schema import recorded_file
from bridge.mailbox import INBOUND_FOLDERS
from bridge.model import Digest, FeedName
from bridge.naming import Folder
from bridge.settings import AccountSettings, Settings
from reconcile.moves import cutover, rollback
from reconcile.moves.balance import Balance
from reconcile.moves.pretend_hub import PretendHub
from reconcile.moves.verifying import finish_folder, look_at_balance
from reconcile.moves.way import Way

WHO = "rehearsal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """One of the two moves, and what it came to."""

    kind: MoveKind
    balance: Balance


def rehearse(account: Account) -> Iterator[Rehearsed]:
    """Do both moves on a copy, beginning with the one that is next; yield each balance."""
    with _stage(account) as (copy, folder):
        first = copy.feeds().serve
        kinds = [MoveKind.CUTOVER, MoveKind.ROLLBACK]
        for kind in kinds if first is not FeedName.REST else reversed(kinds):
            yield Rehearsed(kind=kind, balance=_move(copy, kind, folder))


def _move(copy: Account, kind: MoveKind, folder: Path) -> Balance:
    if kind is MoveKind.CUTOVER:
        seen, _ = cutover.plan(copy)
        cutover.apply(copy, seen, cutover.Consent(by=WHO, forced=True, verdict="rehearsal"))
        return look_at_balance(copy, kind)
    target = None if copy.own.legacy is not None else folder / "target"
    way = Way(target=target, patience=0)
    seen, _ = rollback.plan(copy, way)
    troubles, open_files = rollback.apply(copy, seen, way, by=WHO)
    balance = look_at_balance(copy, kind, remarks=troubles)
    if target is not None:
        balance = finish_folder(copy, target, open_files, balance, lang="en")
    rollback.end(copy)
    return balance


@contextmanager
def _stage(account: Account) -> Iterator[tuple[Account, Path]]:
    """Give an account that is a copy, and the folder that it lives in."""
    data = account.settings.data_dir
    with (
        storage(f"folder for the rehearsal in {data}"),
        tempfile.TemporaryDirectory(prefix="rehearsal-", dir=data) as name,
    ):
        folder = Path(name)
        _copy_ledger(data / "ledger.db", folder / "ledger.db")
        _copy_files(account, folder)
        own = _own(account, folder)
        settings = account.settings.model_copy(
            update={
                "data_dir": folder,
                "account": (own,),
                "push": account.settings.push.model_copy(update={"settle": 0.0}),
            }
        )
        with closing(Ledger(folder / "ledger.db")) as ledger:
            yield _opened(settings, own, ledger), folder


def _opened(settings: Settings, own: AccountSettings, ledger: Ledger) -> Account:
    copy = open_account(settings, own, ledger)
    with ledger.write() as connection:  # it is a copy on purpose, no backup put back
        accounts.set_mailbox_identity(connection, own.name, copy.mailbox.identity())
    copy.client.close()
    copy = replace(copy, client=PretendHub(copy))
    prepare(copy)
    _fill_old_mailbox(copy)
    return copy


def _own(account: Account, folder: Path) -> AccountSettings:
    legacy = account.own.legacy
    if legacy is None:
        return account.own
    there = legacy.model_copy(update={"url": f"file://{folder / 'old-mailbox'}"})
    return account.own.model_copy(update={"legacy": there})


def _copy_ledger(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _copy_files(account: Account, folder: Path) -> None:
    """Link archive and mailbox; what is written to, or told by its identity, is copied."""
    mailbox, name = account.mailbox, account.name
    archive = folder / "archive" / name
    for path in mailbox.archive.files():
        _link(path, archive / path.parent.name / path.name)
    journal = mailbox.archive.root / JOURNAL
    if journal.exists():
        archive.mkdir(parents=True, exist_ok=True)
        shutil.copy2(journal, archive / JOURNAL)
    root = folder / "mailboxes" / name
    for role in Folder:
        (root / mailbox.profile.folder(role)).mkdir(parents=True, exist_ok=True)
        for path in mailbox.folder(role).iterdir():
            if not path.is_file():
                continue
            target = root / mailbox.profile.folder(role) / path.name
            if role in INBOUND_FOLDERS:
                _link(path, target)
            else:
                shutil.copy2(path, target)
    for path in mailbox.root.iterdir():
        if path.is_file():
            shutil.copy2(path, root / path.name)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        return  # the software has just taken it
    except OSError:
        shutil.copy2(source, target)


def _fill_old_mailbox(copy: Account) -> None:
    """Make the pretend old mailbox of what the real one showed last."""
    legacy = copy.own.legacy
    if legacy is None:
        return
    root = Path(legacy.url.removeprefix("file://"))
    for role in Folder:
        (root / copy.mailbox.profile.folder(role)).mkdir(parents=True, exist_ok=True)
    rows = select(recorded_file).where(
        recorded_file.c.account == copy.name,
        recorded_file.c.gone_at.is_(None),
        recorded_file.c.digest.is_not(None),
    )
    with copy.ledger.read() as connection, open_writer(legacy, copy.mailbox.profile) as old:
        for row in connection.execute(rows):
            if row.folder is None or is_aside(row.path):
                continue
            content = copy.mailbox.archive.read(Digest(row.digest))
            try:
                old.put(Folder(row.folder), row.path.rpartition("/")[2], content)
            except OldMailboxFileError:
                continue  # two folders of the real one bear the same name in different cases
