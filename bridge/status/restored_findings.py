"""What a person has to look at after a backup of everything was put back: nobody else can know."""

from collections.abc import Callable
from typing import Final

from bridge.status.facts import AccountStatus, Restored, Status
from bridge.status.finding import Finding
from bridge.status.words import counted, moment, safe

NAMED: Final = 20
"""Invoices that are named; `--json` has them all."""


def _offered_again(_: Status, account: AccountStatus) -> Finding | None:
    restored = account.restored
    if restored is None or not restored.offered_again:
        return None
    some = " ".join(map(safe, restored.offered_again[:NAMED]))
    more = " …" if len(restored.offered_again) > NAMED else ""
    many = counted(len(restored.offered_again), "invoice")
    return Finding(
        account=account.name,
        what=f"A backup was put back: {many} may have been offered a second time ({some}{more})",
        advice=f"Look for them in the software: what it had collected {_between(restored)}, and "
        "nobody had reported on, it gets once more. Remove there what it has twice",
    )


def _not_listed(_: Status, account: AccountStatus) -> Finding | None:
    restored = account.restored
    if restored is None or restored.acknowledge != "stored":
        return None
    return Finding(
        account=account.name,
        what="A backup was put back: invoices that had come since, and that the software had not "
        "collected, the hub does not list any more",
        advice="Ask the AOC's support which invoices became DELIVERED (by acknowledge = "
        f'"stored") {_between(restored)}, and look which of them the software lacks',
    )


def _between(restored: Restored) -> str:
    return f"between {moment(restored.since)} and {moment(restored.until)}"


RULES: tuple[Callable[[Status, AccountStatus], Finding | None], ...] = (
    _offered_again,
    _not_listed,
)
