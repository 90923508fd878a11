"""Looks up in ledger and on disk how the bridge is at one moment.

The hub is never asked and no secret is read: a status must be had when nothing else works.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from bridge.account import longest_gap
from bridge.archive import Archive
from bridge.blame import Caller
from bridge.durable import is_locked
from bridge.errors import StorageError
from bridge.facade.uploads import leftovers
from bridge.ledger import (
    Ledger,
    accounts,
    cut_offs,
    drift,
    events,
    legacy_files,
    moves,
    pauses,
    restores,
    spans,
    summary,
    visitors,
)
from bridge.ledger.pauses import Pause
from bridge.ledger.serving import Feeds, of_settings, serving
from bridge.mailbox import Mailbox
from bridge.model import FeedName, HubId
from bridge.naming import Folder, parse_profile
from bridge.outbound.taking import LeftLying, left_lying
from bridge.settings import AccountSettings, Settings, read_profile
from bridge.status.facts import RECENT, AccountStatus, Restored, Status
from bridge.status.shadow import ShadowStatus, look_at
from bridge.status.turns import in_line, still_to_come
from bridge.upkeep.cut_offs import KEPT_FOR, kept, weight

FULL = 1 << 20
"""Bytes; with less than this free no invoice has room."""


def look(settings: Settings, ledger: Ledger, *, now: datetime) -> Status:
    """Return how everything is now; raises LedgerError, or SettingsError for a naming profile."""
    disk_trouble = _disk_trouble(settings.data_dir)
    with ledger.read() as connection:
        accounts = tuple(
            _without_stale_tries(_account(settings, own, connection, now, disk_trouble), now)
            for own in settings.account
        )
        components = tuple(summary.components(connection))
    return Status(
        at=now,
        accounts=accounts,
        components=components,
        disk_free_bytes=_free(settings.data_dir),
        disk_trouble=disk_trouble,
        poll_interval=settings.pull.interval,
        uncollected_after=settings.alerts.uncollected_after,
        client_silent_after=settings.alerts.client_silent_after,
    )


def _account(
    settings: Settings,
    own: AccountSettings,
    connection: Connection,
    now: datetime,
    disk_trouble: str | None,
) -> AccountStatus:
    name = own.name
    row, feeds = summary.of_account(connection, name), serving(connection, own)
    last = moves.last(connection, name)
    lying, mailbox_trouble = _mailbox(settings, own, row.mailbox_mark, now)
    archive = Archive(settings.data_dir / "archive" / name)
    return AccountStatus(
        name=name,
        caller=caller_of(settings, own),
        feeds=feeds,
        settings_feeds=of_settings(own),
        open_move=last if last is not None and last.is_open else None,
        row=row,
        pause=_pause(connection, name, now),
        mailbox_trouble=mailbox_trouble,
        disk_trouble=disk_trouble,
        deliveries=summary.deliveries_by_state(connection, name, serving=feeds.serve),
        handed_over=summary.handed_over(connection, name),
        uncollected=tuple(summary.uncollected(connection, name)),
        held_back=tuple(summary.held_back(connection, name, feeds.serve)),
        not_acknowledged=tuple(summary.not_acknowledged(connection, name)),
        held_back_attachments=tuple(summary.held_back_attachments(connection, name, feeds.serve)),
        without_receipt=tuple(summary.without_receipt(connection, name, since=now - RECENT)),
        updates=summary.updates_by_status(connection, name),
        refused=tuple(summary.refused(connection, name)),
        waiting=in_line(summary.waiting(connection, name)),
        found_applied=summary.found_applied(connection, name),
        drift=tuple(drift.of_account(connection, name)),
        unrecognised_files=lying.unrecognised,
        not_taken=lying.not_taken,
        cut_off=tuple(cut_offs.of_account(connection, name, since=now - KEPT_FOR)),
        cut_off_bytes=weight(kept(connection, archive, name, most=settings.uploads.cut_off)),
        cut_off_most=settings.uploads.cut_off,
        not_kept_yet=_not_kept_yet(settings.data_dir, name),
        here=tuple(visitors.here(connection, name)),
        banned=tuple(visitors.banned(connection, [user.name for user in own.user], now=now)),
        clients=tuple(visitors.of_account(connection, name)),
        last_came=visitors.last_came(connection, name),
        restored=_restored(connection, own, now),
        awaited_since=events.first_at(connection, name),
        shadow_feed=_shadow(connection, settings, name, feeds, now),
        old_mailbox=(
            spans.of_feed(connection, name, FeedName.LEGACY)
            if feeds.serve is FeedName.LEGACY
            else None
        ),
        second_files=(
            tuple(legacy_files.second_ones(connection, name))
            if feeds.serve is FeedName.LEGACY
            else ()
        ),
    )


def _not_kept_yet(data_dir: Path, account: str) -> tuple[str, ...]:
    """Return what lies in staging; while `serve` runs that is under way."""
    if is_locked(data_dir / "locks" / "serve"):
        return ()
    return tuple(
        f"{role}/{partial.name}" for role, partial in leftovers(data_dir / "staging", account)
    )


def _pause(connection: Connection, name: str, now: datetime) -> Pause | None:
    pause = pauses.of_account(connection, name)
    return pause if pause is not None and pause.left(now) else None


def _restored(connection: Connection, own: AccountSettings, now: datetime) -> Restored | None:
    forgotten = accounts.forgotten(connection, own.name)
    if forgotten is None or forgotten.until < now - RECENT:
        return None
    again: Sequence[HubId] = ()
    if own.acknowledge != "collected":  # else the hub was told, and asked
        listed = own.acknowledge == "never"
        again = restores.offered_again(connection, own.name, forgotten, listed=listed)
    return Restored(
        since=forgotten.since,
        until=forgotten.until,
        acknowledge=own.acknowledge,
        offered_again=tuple(again),
    )


def _shadow(
    connection: Connection, settings: Settings, name: str, feeds: Feeds, now: datetime
) -> ShadowStatus | None:
    if feeds.shadow is None:
        return None
    longest = longest_gap(settings)
    return look_at(connection, name, feeds.shadow, now=now, longest_gap=longest)


def _without_stale_tries(account: AccountStatus, now: datetime) -> AccountStatus:
    if account.trouble is None and not account.hub_away:
        return account
    return replace(
        account,
        waiting=still_to_come(account.waiting, now=now),
        held_back=still_to_come(account.held_back, now=now),
        held_back_attachments=still_to_come(account.held_back_attachments, now=now),
        not_acknowledged=still_to_come(account.not_acknowledged, now=now),
    )


def caller_of(settings: Settings, own: AccountSettings) -> Caller:
    """Return who calls the hub for an account."""
    return Caller(account=own.name, issuer=own.issuer, base_url=settings.hub.base_url)


def _mailbox(
    settings: Settings, own: AccountSettings, mark: str | None, now: datetime
) -> tuple[LeftLying, str | None]:
    """Return what lies in `statin` for long, and what is wrong with the mailbox."""
    mailbox = Mailbox(settings.data_dir, own.name, parse_profile(read_profile(own.profile)))
    if mark is None and not mailbox.folder(Folder.STATIN).is_dir():
        return LeftLying(), None  # nothing was ever done here
    try:
        if mark is not None:
            mailbox.ensure_same(mark)
        return left_lying(mailbox, settings.push, now=now), None
    except StorageError as error:
        return LeftLying(), str(error)


def _disk_trouble(folder: Path) -> str | None:
    """Say why nothing can be written; seen on the disk itself: the ledger lies on it too."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    if disk.f_flag & os.ST_RDONLY:
        return "The disk is read-only"
    if disk.f_bavail * disk.f_frsize < FULL:
        return "The disk is full"
    if disk.f_files and not disk.f_favail:
        return "The disk can hold no more files (inodes)"
    return None


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
