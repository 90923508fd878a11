"""What a person says of an invoice before the cutover: it counts there, as it does afterwards."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.model import FeedName, HubId, State, StateUpdate
from bridge.recording import FeedRecorder
from bridge.sandbox.server import Sandbox
from reconcile.moves import cutover
from reconcile.moves.command import Wanted, cut_over, roll_back
from reconcile.moves.way import Way
from tests.accounts import Office, Offices, annotated, failing, state_file
from tests.moving import OldHub, faults, out_of

PLAN = Wanted(by="test", force=True)
APPLY = replace(PLAN, apply=True)


@pytest.fixture
def old(sandbox: Sandbox, tmp_path: Path) -> OldHub:
    return OldHub(sandbox.book, tmp_path / "old")


@pytest.fixture
def town(open_account: Offices, old: OldHub) -> Office:
    return old.open(open_account)


def doubtful(town: Office, old: OldHub) -> HubId:
    """Nobody can tell of an invoice whether the software has it: the hub lists it no more."""
    (hub_id,) = old.rest(town)
    FeedRecorder(town.account).round(FeedName.REST, only_due=False)
    town.sandbox.book.update(hub_id, StateUpdate(state=State.DELIVERED))
    return hub_id


def taken_there(town: Office, old: OldHub) -> HubId:
    """One has gone from the old mailbox, in which another one lies still."""
    hub_id, _ = old.both(town), old.both(town)
    cutover.plan(town.account)
    for path in old.root.glob(f"*/*{hub_id}*"):
        path.unlink()
    cutover.plan(town.account)
    cutover.plan(town.account)
    return hub_id


@pytest.mark.parametrize("where", [doubtful, taken_there])
def test_what_the_software_lacks_is_brought_by_the_same_command(
    where: Callable[[Office, OldHub], HubId], town: Office, old: OldHub
) -> None:
    hub_id = where(town, old)
    assert cut_over(town.account, replace(APPLY, lacks=[hub_id])) == 0
    assert len(out_of(town, hub_id)) == 1
    assert faults(town) == []


@pytest.mark.parametrize("where", [doubtful, taken_there])
def test_what_was_said_with_the_plan_counts_when_it_is_applied(
    where: Callable[[Office, OldHub], HubId], town: Office, old: OldHub
) -> None:
    hub_id = where(town, old)
    cut_over(town.account, replace(PLAN, lacks=[hub_id]))
    assert cut_over(town.account, APPLY) == 0
    assert len(out_of(town, hub_id)) == 1
    assert faults(town) == []


def test_what_was_said_before_an_invoice_went_from_the_old_mailbox_must_be_said_again(
    town: Office, old: OldHub
) -> None:
    hub_id, _ = old.both(town), old.both(town)
    cutover.plan(town.account)
    cut_over(town.account, replace(PLAN, lacks=[hub_id]))
    for path in old.root.glob(f"*/*{hub_id}*"):
        path.unlink()
    assert cut_over(town.account, APPLY) == 1
    assert out_of(town, hub_id) == []
    assert cut_over(town.account, replace(APPLY, lacks=[hub_id])) == 0
    town.pull()
    assert len(out_of(town, hub_id)) == 1
    assert faults(town) == []


@pytest.mark.parametrize("where", [doubtful, taken_there])
def test_what_was_said_before_the_hub_showed_a_state_of_the_software_must_be_said_again(
    where: Callable[[Office, OldHub], HubId], town: Office, old: OldHub
) -> None:
    hub_id = where(town, old)
    cut_over(town.account, replace(PLAN, lacks=[hub_id]))
    town.sandbox.book.update(hub_id, StateUpdate(state=State.ANNOTATED, register_number="7"))
    assert cut_over(town.account, APPLY) == 1
    assert out_of(town, hub_id) == []


def test_what_was_said_before_the_software_reported_a_state_must_be_said_again(
    town: Office, old: OldHub
) -> None:
    hub_id = doubtful(town, old)
    cut_over(town.account, replace(PLAN, lacks=[hub_id]))
    town.push()
    town.drop("a.XML", state_file(annotated(hub_id)))
    town.push()
    assert cut_over(town.account, APPLY) == 1
    assert out_of(town, hub_id) == []


def test_what_was_said_before_the_last_rollback_counts_no_longer(town: Office, old: OldHub) -> None:
    hub_id = doubtful(town, old)
    cut_over(town.account, replace(PLAN, lacks=[hub_id]))
    assert cut_over(town.account, replace(APPLY, has=[hub_id])) == 0
    assert roll_back(town.account, Way(), APPLY) == 0
    assert cut_over(town.account, APPLY) == 0
    assert out_of(town, hub_id) == []


@pytest.mark.parametrize(
    ("code", "said"), [("ca", "no s'ha mogut res"), ("es", "no se ha movido nada")]
)
def test_why_the_report_keeps_a_cutover_is_said_in_one_language(
    code: str, said: str, town: Office
) -> None:
    error = str(failing(lambda: cut_over(town.account, replace(APPLY, force=False, lang=code))))
    assert said in error
    assert "nothing was moved" not in error
