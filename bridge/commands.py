"""What each command of `efact-bridge` does, without its printing."""

import getpass
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path

import argon2

from bridge import learning, status
from bridge.account import Account, open_account, utc_now
from bridge.doctor import Finding, examine
from bridge.durable import storage
from bridge.errors import (
    BridgeError,
    HubAwayError,
    LocalError,
    SettingsError,
    StorageError,
)
from bridge.every_account import AccountRound, each, put_right_all
from bridge.inbound.round import Inbound
from bridge.learning import Lesson
from bridge.ledger import Ledger, updates
from bridge.ledger.opening import opened, opened_to_read
from bridge.ledger.updates import Update
from bridge.model import FeedName, UpdateStatus
from bridge.outbound.entering import retry as queue_again
from bridge.rounds import pull_round, push_round, wait_until_settled
from bridge.running import service, unbanning
from bridge.running.unbanning import Lifted
from bridge.settings import Settings, config_folder, load_settings
from bridge.status import Life, Status
from bridge.upkeep import verifying
from bridge.upkeep.verifying import Checked

SECRET_FILE = "ajuntament.secret"  # noqa: S105  (the name that the example settings give)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What became of refused updates that were queued again."""

    queued: int
    refused: int
    problems: tuple[str, ...]


def init(directory: Path) -> Iterator[str]:
    """Write example settings and an empty secret; yield what was done.

    Raises LocalError when either is there already: nothing is overwritten.
    """
    settings, secret = directory / "efact-bridge.toml", directory / SECRET_FILE
    for path in (settings, secret):
        if path.exists():
            raise LocalError(f"{path} is there already: nothing was changed")
    with storage(str(directory)):
        directory.mkdir(parents=True, exist_ok=True)
        secret.touch(mode=0o600, exist_ok=False)
        shutil.copyfile(config_folder() / "efact-bridge.toml", settings)
    yield f"{settings}: written; fill in what is marked TO FILL IN"
    yield f"{secret}: written, empty; put the secret key that the AOC gave you into it"
    yield f"Then run: efact-bridge check -c {settings}"


def check(config: Path, *, end_pause: bool = False) -> Iterator[Finding]:
    """Examine everything that a settings file names."""
    return examine(load_settings(config), end_pause=end_pause)


def run(config: Path) -> None:
    """Serve until SIGTERM or SIGINT."""
    service.serve(load_settings(config))


def pull(config: Path) -> Iterator[AccountRound]:
    """Do one round of inbound for every account."""
    return each(config, _pull)


def push(config: Path) -> Iterator[AccountRound]:
    """Do one round of outbound for every account."""
    return each(config, _push)


def _sit_out(account: Account) -> None:
    """Wait for the end of a short pause that the hub asked for; a long one ends the command."""
    left = account.circuit.pause_left
    if left <= account.settings.hub.timeout and account.feeds().serve is FeedName.REST:
        time.sleep(left)


def _pull(account: Account) -> AccountRound:
    _sit_out(account)
    done = pull_round(Inbound(account), only_due=False)
    capped = [f"more waits than the hub lists: {part}" for part in done.capped_slices]
    held_back = [reason for _, reason in done.troubles]
    return AccountRound(
        account=account.name,
        said=f"{done.new} new, {done.placed} placed, {done.collected} files collected",
        troubles=tuple(held_back + capped),
    )


def _push(account: Account) -> AccountRound:
    moving = wait_until_settled(account) if account.mailbox.root.is_dir() else 0
    left = f"; {moving} still being written, left for the next round" if moving else ""
    _sit_out(account)
    done = push_round(account, only_due=False)
    return AccountRound(
        account=account.name,
        said=(
            f"{done.taken} state files taken, {done.sent.accepted} updates accepted, "
            f"{len(done.refused)} refused, {done.sent.waiting} waiting; "
            f"{done.acknowledged} acknowledged{left}"
        ),
        troubles=tuple(
            f"update {update.id} refused: {update.refusal.code} {update.refusal.reason}"
            for update in done.refused
            if update.refusal
        )
        + tuple(str(it) for it in done.sent.problems if not isinstance(it, HubAwayError)),
        error=next((it for it in done.sent.problems if isinstance(it, HubAwayError)), None),
    )


def look(config: Path, some_id: str | None) -> Status | Life:
    """Return how everything is, or the life of one invoice or update.

    Raises LocalError for an id that the ledger does not know.
    """
    settings = load_settings(config)
    with opened_to_read(settings.data_dir) as ledger:
        if some_id is None:
            return status.look(settings, ledger, now=utc_now())
        callers = {own.name: status.caller_of(settings, own) for own in settings.account}
        found = status.life(ledger, some_id, callers=callers)
    if found is None:
        raise LocalError(f"{some_id}: no invoice and no update has this id")
    return found


def verify(config: Path, target: Path | None) -> Iterator[Checked]:
    """Check ledger, events, journal and archive of every account against each other.

    `target` is the folder for the auditor's export, where one is wanted.
    """
    settings = load_settings(config)
    path = settings.data_dir / "ledger.db"
    for own in settings.account:
        if not path.exists() and (settings.data_dir / "archive" / own.name).exists():
            yield Checked(own.name, "ledger", False, f"{path} is gone; its archive is there")
    with opened_to_read(settings.data_dir) as ledger:
        for own in settings.account:
            yield from verifying.verify(ledger, settings.data_dir, own.name)
            if target is not None:
                with storage(f"export to {target}"):
                    folder = verifying.export(ledger, settings.data_dir, own.name, target)
                yield Checked(own.name, "export", True, f"{folder}: see README.txt there")


def retry(config: Path, update_ids: Sequence[int] | None) -> Retried:
    """Queue refused updates again: those of these ids, or all."""
    settings = load_settings(config)
    with opened(settings.data_dir) as ledger:
        accounts, problems = _usable(settings, ledger)
        refused = {
            update.id: (account, update) for account in accounts for update in _refused(account)
        }
        wanted = list(refused) if update_ids is None else update_ids
        problems += [
            f"update {update_id} is not among the refused ones: see `efact-bridge status`"
            for update_id in wanted
            if update_id not in refused
        ]
        chosen = [refused[update_id] for update_id in wanted if update_id in refused]
        heard = [it for it in chosen if it[0].feeds().serve is FeedName.REST]
        problems += [
            f"update {update.id} cannot be sent again: the hub does not serve account "
            f"{account.name} at present; have the software write its state file anew"
            for account, update in chosen
            if (account, update) not in heard
        ]
        problems += filter(None, starmap(_try_again, heard))
        with ledger.read() as connection:
            now = updates.by_id(connection, [update.id for _, update in heard])
    again = sum(update.status is UpdateStatus.REFUSED for update in now)
    return Retried(queued=len(now) - again, refused=again, problems=tuple(problems))


def _usable(settings: Settings, ledger: Ledger) -> tuple[list[Account], list[str]]:
    """Return the accounts that can be opened, and why the others cannot; raises SettingsError."""
    accounts, problems = [], []
    for account in put_right_all(settings, ledger).values():
        if isinstance(account, SettingsError):
            raise account
        if isinstance(account, BridgeError):
            problems.append(str(account))
        else:
            accounts.append(account)
    return accounts, problems


def _refused(account: Account) -> list[Update]:
    with account.ledger.read() as connection:
        return updates.refused(connection, account.name)


def _try_again(account: Account, update: Update) -> str:
    """Queue an update again; return why that cannot be: its state file left the archive, say."""
    try:
        queue_again(account, [update])
    except StorageError as error:
        return f"update {update.id} cannot be sent again: {error}"
    return ""


def learn(config: Path, folder: Path, name: str | None, *, collected: bool) -> Lesson:
    """Learn from a folder of old mailbox files of the account of this name, or of the only one."""
    settings = load_settings(config)
    own = settings.chosen(name)
    with opened(settings.data_dir) as ledger:
        account = open_account(settings, own, ledger)
        return learning.learn(account, folder, collected=collected)


def unban(config: Path, who: Sequence[str] | None) -> Lifted:
    """Lift the bans of these users and addresses, or all; a `serve` that runs hears it soon."""
    settings = load_settings(config)
    users = {user.name: own.name for own in settings.account for user in own.user}
    wanted = None if who is None else [unbanning.subject_of(each) for each in who]
    with opened(settings.data_dir) as ledger:
        return unbanning.lift(ledger, users, wanted, now=utc_now())


def hash_password() -> str:
    """Read a password from the terminal (twice) or a line of standard input; return its hash.

    Raises SettingsError for an empty one, two that differ, or one that is not UTF-8.
    """
    if sys.stdin.isatty():
        password = os.fsencode(getpass.getpass("Password: "))
        if os.fsencode(getpass.getpass("Once more: ")) != password:
            raise SettingsError("the two passwords differ: nothing was hashed")
    else:
        password = sys.stdin.buffer.readline().rstrip(b"\r\n")
    if not password:
        raise SettingsError("an empty password is none: nothing was hashed")
    try:
        password.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError("the password is not UTF-8 text: nothing was hashed") from error
    return argon2.PasswordHasher().hash(password)
