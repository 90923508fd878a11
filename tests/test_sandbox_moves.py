"""Cutover and rollback against the sandbox's own old mailbox: as a vendor tries them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.model import HubId
from bridge.rounds import push_round
from bridge.sandbox.old_mailbox import OldMailbox
from bridge.sandbox.server import Sandbox
from reconcile.moves.command import Wanted, cut_over, roll_back
from reconcile.moves.rules import OldMailboxMode, Place
from reconcile.moves.way import Way
from tests.accounts import Office, Offices, pull
from tests.moving import balanced, faults, names
from tests.old_mailboxes import secret

APPLY = Wanted(by="test", apply=True, force=True)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=0, old_mailbox=True) as running:
        yield running


@pytest.fixture
def old(sandbox: Sandbox) -> OldMailbox:
    assert sandbox.old_mailbox is not None
    return sandbox.old_mailbox


@pytest.fixture
def town(open_account: Offices, old: OldMailbox, tmp_path: Path) -> Office:
    password = str(secret(tmp_path / "old.password", old.password))
    legacy: dict[str, Any] = {
        "url": old.url,
        "password_file": password,
        "host_key": old.host_key,
    }
    return open_account(serve="legacy", shadow="rest", legacy=legacy)


def add(sandbox: Sandbox, old: OldMailbox) -> HubId:
    """Let both feeds have one more invoice."""
    hub_id = sandbox.book.add_invoice(attachments=False)
    old.work()
    return hub_id


def imported(town: Office, only: HubId | None = None) -> list[str]:
    """Take what lies in ours, or one invoice of it, as the software does; return the hub ids."""
    paths = [town.account.mailbox.root / name for name in names(town)]
    taken = [path for path in paths if only is None or f"@{only}" in path.name]
    for path in taken:
        path.unlink()
    return [path.stem.rpartition("@")[2] for path in taken if path.parent.name == "out"]


def in_folder(old: OldMailbox, folder: str) -> set[str]:
    return {path.stem.rpartition("@")[2] for path in (old.root / folder).glob("*")}


@pytest.mark.parametrize("mode", [OldMailboxMode.MOVE, OldMailboxMode.DELETE])
def test_there_and_back_each_invoice_is_imported_once(
    town: Office, sandbox: Sandbox, old: OldMailbox, mode: OldMailboxMode
) -> None:
    before, waiting, had = (add(sandbox, old) for _ in range(3))
    pull(town)
    taken = imported(town, before)
    assert cut_over(town.account, APPLY) == 0
    late = add(sandbox, old)
    only_rest = add(sandbox, old)
    for path in old.root.glob(f"*out/*@{only_rest}*"):
        path.unlink()  # the old hub is slow with it
    pull(town)
    taken += imported(town, late) + imported(town, had)
    assert roll_back(town.account, Way(mode=mode), APPLY) == 0
    assert in_folder(old, "out") == {waiting, only_rest}
    aside = {had, late} if mode is OldMailboxMode.MOVE else set()
    assert in_folder(old, "collected-by-rest/out") == aside
    assert roll_back(town.account, Way(mode=mode), APPLY) == 0
    taken += imported(town)
    push_round(town.account, only_due=False)
    pull(town)
    assert sorted(taken + imported(town)) == sorted([before, waiting, had, late, only_rest])
    assert in_folder(old, "out") == set()
    assert cut_over(town.account, APPLY) == 0
    assert balanced(town).places[Place.SOFTWARE] == 5
    assert faults(town) == []
