"""Looks at everything, one after the other; nothing is changed at the hub."""

from collections.abc import Iterator

from bridge.doctor.account import examine_account
from bridge.doctor.doors import examine_doors, host_keys
from bridge.doctor.finding import Finding, Verdict, finding
from bridge.doctor.machine import examine_disk, open_ledger, other_owner
from bridge.doctor.remembered import clients, moved, paused
from bridge.settings import Settings


def examine(settings: Settings, *, end_pause: bool = False) -> Iterator[Finding]:
    """Yield a line for each thing that was looked at.

    With `end_pause`, the pause that a hub asked for is over if it answers.
    """
    yield Finding("settings", Verdict.OK, _accounts(settings))
    answered = []
    for own in settings.account:
        if (yield from examine_account(settings, own)):
            answered.append(own.name)
    yield from examine_doors(settings)
    if owner := other_owner(settings.data_dir):
        yield Finding("user", Verdict.WARNING, owner)
        return
    if settings.sftp.enabled:
        yield finding("sftp host keys", lambda: host_keys(settings.data_dir / "host-keys"))
    yield examine_disk(settings.data_dir)
    ledger = settings.data_dir / "ledger.db"
    yield finding("ledger", lambda: open_ledger(ledger))
    for own in settings.account:
        yield from moved(ledger, own)
        yield from paused(ledger, own, answered=own.name in answered, end_pause=end_pause)
        yield from clients(ledger, own, settings)


def _accounts(settings: Settings) -> str:
    names = ", ".join(own.name for own in settings.account)
    return f"read; accounts: {names}"
