"""From the outbox to the hub: each update once, in order, whatever the hub answers."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select

from bridge.errors import AccountError, HubAwayError
from bridge.ledger import schema
from bridge.model import DeliveryState, State, StateUpdate, UpdateStatus
from bridge.outbound import sending
from bridge.outbound.sending import send
from bridge.outbound.taking import take_in
from bridge.settings import Settings
from tests.accounts import (
    Office,
    Offices,
    Said,
    annotated,
    failing,
    paid,
    rejected,
    said,
    state_file,
    statuses,
)
from tests.door_rig import wait_until


def outcomes(office: Office) -> list[str | None]:
    """How each update ended, in the order of arrival."""
    table = schema.state_update
    with office.account.ledger.read() as connection:
        return list(connection.scalars(select(table.c.outcome).order_by(table.c.id)))


def told(office: Office, hub_id: str) -> list[str]:
    """The invoice's history since the hub registered it."""
    return office.states(hub_id)[2:]


# -- what is sent ------------------------------------------------------------------------------


def test_an_update_reaches_the_hub_with_its_details(office: Office) -> None:
    one, two = office.served(2)
    office.drop("a.XML", state_file(annotated(one, "R-77"), rejected(two, "No és nostra")))
    done = office.push()
    assert (done.taken, done.sent.accepted, done.sent.refused) == (1, 2, 0)
    assert office.sandbox.book.invoice(one).register_number == "R-77"
    assert office.sandbox.book.invoice(two).reason == "No és nostra"
    assert not office.answers()
    assert outcomes(office) == ["patched", "patched"]


def test_the_updates_of_a_file_go_in_document_order(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop(
        "a.XML",
        state_file(annotated(hub_id), said(hub_id, "RECOGNISED"), paid(hub_id)),
    )
    office.push()
    assert told(office, hub_id) == ["ANNOTATED", "RECOGNISED", "PAID"]


def test_good_updates_are_sent_beside_bad_ones(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop(
        "a.XML",
        state_file(
            said(hub_id, "ANNOTATED"),
            annotated(hub_id),
            said(hub_id, "CANCELED"),
            said(hub_id, "RECEIVED"),
        ),
    )
    office.push()
    assert told(office, hub_id) == ["ANNOTATED", "RECEIVED"]
    assert len(office.refusals()) == 2


@pytest.mark.parametrize("state", [State.RECEIVED, State.ACCEPTED, State.RECOGNISED])
@pytest.mark.parametrize("policy", ["collected", "never"])
def test_delivered_precedes_what_leaves_an_invoice_on_the_list(
    open_account: Offices, policy: str, state: State
) -> None:
    office = open_account(acknowledge=policy)
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(said(hub_id, state)))
    office.push()
    assert told(office, hub_id) == ["DELIVERED", str(state)]
    assert hub_id not in office.sandbox.book.pending
    assert office.delivery(hub_id).state is DeliveryState.PLACED
    office.collect(hub_id)
    office.push()
    assert told(office, hub_id) == ["DELIVERED", str(state)]


@pytest.mark.parametrize("update", [paid, rejected])
def test_delivered_precedes_an_end_too(open_account: Offices, update: object) -> None:
    office = open_account(acknowledge="never")
    (hub_id,) = office.served()
    assert callable(update)
    office.drop("a.XML", state_file(update(hub_id)))
    office.push()
    assert told(office, hub_id)[0] == "DELIVERED"
    assert hub_id not in office.sandbox.book.pending


@pytest.mark.parametrize("state", ["DELIVERED", "ANNOTATED"])
def test_what_takes_an_invoice_off_the_list_is_not_preceded(office: Office, state: str) -> None:
    (hub_id,) = office.served()
    update = annotated(hub_id) if state == "ANNOTATED" else said(hub_id, state)
    office.drop("a.XML", state_file(update))
    office.push()
    assert told(office, hub_id) == [state]


def test_a_delivered_that_is_refused_does_not_hold_the_update_back(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail(operation="update", state="DELIVERED", code=3007, times=None)
    office.drop("a.XML", state_file(rejected(hub_id)))
    office.push()
    assert told(office, hub_id) == ["REJECTED"]
    assert not office.answers()


def test_delivered_precedes_an_end_though_the_hub_shows_a_state_that_nobody_knows(
    open_account: Offices,
) -> None:
    office = open_account(acknowledge="never")
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail("strange-state", operation="invoice")
    office.drop("a.XML", state_file(rejected(hub_id)))
    office.push()
    assert told(office, hub_id) == ["DELIVERED", "REJECTED"]


def test_a_state_that_nobody_knows_does_not_hold_an_update_back(office: Office) -> None:
    (hub_id,) = office.served()
    for operation in ("invoice", "states"):
        office.sandbox.book.faults.fail("strange-state", operation=operation, times=None)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    assert told(office, hub_id) == ["ANNOTATED"]


def test_delivered_is_not_sent_again_to_an_invoice_that_is_further_on(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.set_state(hub_id, State.RECEIVED)
    office.drop("a.XML", state_file(said(hub_id, State.ACCEPTED)))
    office.push()
    assert office.patches() == ["ACCEPTED"]


def test_an_invoice_that_the_ledger_does_not_know_can_be_updated(office: Office) -> None:
    office.pull()
    (hub_id,) = office.add()
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    assert told(office, hub_id) == ["ANNOTATED"]


# -- what needs no PATCH -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "update"),
    [
        (StateUpdate(state=State.ANNOTATED, register_number="R-1"), annotated),
        (StateUpdate(state=State.ACCEPTED), lambda hub_id: said(hub_id, "ACCEPTED")),
        (StateUpdate(state=State.DELIVERED), lambda hub_id: said(hub_id, "DELIVERED")),
    ],
    ids=["ANNOTATED", "ACCEPTED", "DELIVERED"],
)
def test_what_the_hub_shows_already_needs_no_patch(
    office: Office, shown: StateUpdate, update: object
) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.set_state(hub_id, shown)
    assert callable(update)
    office.drop("a.XML", state_file(update(hub_id)))
    office.push()
    assert office.patches() == []
    assert outcomes(office) == ["already-shown"]
    assert not office.answers()


def test_the_same_state_with_other_details_is_sent(office: Office) -> None:
    (hub_id,) = office.served()
    shown = StateUpdate(state=State.ANNOTATED, register_number="R-1")
    office.sandbox.book.set_state(hub_id, shown)
    office.drop("a.XML", state_file(annotated(hub_id, "R-2")))
    office.push()
    assert office.sandbox.book.invoice(hub_id).register_number == "R-2"


def test_an_end_that_is_said_again_is_accepted(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(paid(hub_id, "2026-04-01")))
    office.push()
    office.drop("b.XML", state_file(annotated(hub_id), paid(hub_id, "2026-04-01")))
    office.push()
    assert [text.split()[0] for text in office.refusals()] == ["BR06"]
    assert outcomes(office) == ["patched", None, "already-shown"]


def test_other_details_of_an_end_are_br06(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(paid(hub_id, "2026-04-01")))
    office.push()
    office.drop("b.XML", state_file(paid(hub_id, "2026-04-02")))
    office.push()
    (text,) = office.refusals()
    assert text == "BR06 the invoice is already PAID, with other details (update 1 of 1)"
    assert office.patches(hub_id)[-1:] == ["PAID"]


@pytest.mark.parametrize("end", [paid, rejected])
def test_nothing_follows_an_end(office: Office, end: object) -> None:
    (hub_id,) = office.served()
    assert callable(end)
    office.drop("a.XML", state_file(end(hub_id), said(hub_id, "ACCEPTED")))
    office.push()
    (text,) = office.refusals()
    assert text.startswith("BR06 ")
    assert text.endswith("(update 2 of 2)")


# -- many updates of one invoice ---------------------------------------------------------------

LIFE = ("ANNOTATED", "RECEIVED", "ACCEPTED", "RECOGNISED", "PAID")


def life_of(hub_id: str) -> bytes:
    """Write a state file with all that an RCF says of an invoice."""
    middle = [said(hub_id, state) for state in LIFE[1:-1]]
    return state_file(annotated(hub_id), *middle, paid(hub_id))


def asked_about(office: Office, hub_id: str) -> int:
    """How often the hub was asked what it shows since the journal was cleared."""
    return len(office.sandbox.book.requests(operation="invoice", hub_id=hub_id))


def test_the_answer_to_an_update_is_what_the_hub_shows_before_the_next_one(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.clear_journal()
    office.drop("a.XML", life_of(hub_id))
    office.push()
    assert told(office, hub_id) == list(LIFE)
    assert (asked_about(office, hub_id), len(office.patches(hub_id))) == (1, len(LIFE))


@pytest.mark.parametrize("applied", [True, False], ids=["applied", "lost"])
def test_after_an_answer_without_a_body_the_hub_is_asked_what_it_shows(
    office: Office, *, applied: bool
) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.clear_journal()
    fault = {"operation": "update", "state": "RECEIVED", "applied": applied, "status": 200}
    office.sandbox.book.faults.fail("empty", **fault)
    office.drop("a.XML", life_of(hub_id))
    for _ in range(2):
        failing(office.push)
    assert told(office, hub_id) == list(LIFE)
    # Before the first, after the lost answer, and before whatever was sent next.
    assert asked_about(office, hub_id) == 3


def test_an_answer_that_shows_what_somebody_else_said_lets_nothing_follow(
    office: Office,
) -> None:
    (hub_id,) = office.served()
    book = office.sandbox.book
    whole = book.update

    def overtaken(wanted: str, update: StateUpdate) -> bytes:
        whole(wanted, update)
        book.set_state(wanted, StateUpdate(state=State.REJECTED, reason="Anul·lada"))
        return book.invoice_data(wanted)

    book.update = overtaken  # type: ignore[method-assign]
    office.drop("a.XML", state_file(annotated(hub_id), said(hub_id, "RECOGNISED")))
    office.push()
    assert told(office, hub_id) == ["ANNOTATED", "REJECTED"]
    assert office.refusals() == [
        "BR06 the invoice is already REJECTED: RECOGNISED cannot follow (update 2 of 2)"
    ]


def test_an_answer_that_came_late_does_not_tell_what_the_hub_shows_now(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "FRESH", 0)
    (hub_id,) = office.served()
    book = office.sandbox.book
    whole = book.update

    def overtaken(wanted: str, update: StateUpdate) -> bytes:
        answer = whole(wanted, update)
        book.set_state(wanted, StateUpdate(state=State.REJECTED, reason="Anul·lada"))
        return answer

    book.update = overtaken  # type: ignore[method-assign]
    office.drop("a.XML", state_file(annotated(hub_id), said(hub_id, "RECOGNISED")))
    office.push()
    assert office.patches(hub_id) == ["ANNOTATED"]
    assert office.refusals() == [
        "BR06 the invoice is already REJECTED: RECOGNISED cannot follow (update 2 of 2)"
    ]


def test_an_end_that_came_while_an_update_was_written_down_is_seen_before_it_leaves(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "FRESH", 0)  # a ledger that was locked meanwhile
    (hub_id,) = office.served()
    end = StateUpdate(state=State.REJECTED, reason="Anul·lada")
    after_first_look(office, lambda: office.sandbox.book.set_state(hub_id, end))
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    assert office.patches(hub_id) == []
    assert office.refusals() == [
        "BR06 the invoice is already REJECTED: ANNOTATED cannot follow (update 1 of 1)"
    ]
    assert not office.open_updates()


def test_what_somebody_else_said_while_it_was_written_down_is_not_said_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "FRESH", 0)
    (hub_id,) = office.served()
    by_hand = StateUpdate(state=State.ANNOTATED, register_number="R-1")
    after_first_look(office, lambda: office.sandbox.book.set_state(hub_id, by_hand))
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    assert office.patches(hub_id) == []
    assert outcomes(office) == ["already-shown"]


def after_first_look(office: Office, do: Callable[[], object]) -> None:
    """Let something happen at the hub right after it has shown an invoice once."""
    book = office.sandbox.book
    whole = book.invoice_data

    def overtaken(wanted: str) -> bytes:
        shown = whole(wanted)
        book.invoice_data = whole  # type: ignore[method-assign]
        do()
        return shown

    book.invoice_data = overtaken  # type: ignore[method-assign]


def test_the_same_update_twice_in_a_file_is_sent_once(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(annotated(hub_id), annotated(hub_id)))
    office.push()
    assert told(office, hub_id) == ["ANNOTATED"]
    assert outcomes(office) == ["patched", "already-shown"]


# -- definite noes -----------------------------------------------------------------------------


def test_the_hubs_own_code_comes_back(office: Office) -> None:
    (known,) = office.served()
    (unregistered,) = office.served(registered=False)
    office.drop("a.XML", state_file(annotated("999"), annotated(unregistered), annotated(known)))
    office.push()
    assert [text.split()[0] for text in office.refusals()] == ["2001", "3005"]
    assert told(office, known) == ["ANNOTATED"]


def test_an_invoice_that_ended_between_the_question_and_the_patch_is_3007(
    office: Office,
) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail(operation="update", code=3007)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    (text,) = office.refusals()
    assert text.startswith("3007 ")


def test_3007_for_what_the_hub_shows_by_then_is_no_refusal(office: Office) -> None:
    """Somebody else told the hub the same between our question and our PATCH."""
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail(operation="update", code=3007, applied=True)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    assert not office.answers()
    assert outcomes(office) == ["already-shown"]


def test_a_step_back_that_the_hub_refuses_is_answered(
    open_account: Offices,
) -> None:
    office = open_account()
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(annotated(hub_id), said(hub_id, "RECOGNISED")))
    office.push()
    office.sandbox.book.faults.fail(operation="update", code=3007, times=None)
    office.drop("b.XML", state_file(said(hub_id, "RECEIVED"), said(hub_id, "ACCEPTED")))
    office.push()
    assert [text.split()[0] for text in office.refusals()] == ["3007", "3007"]


@pytest.mark.parametrize("code", [2002, 3005, 3007])
def test_a_no_to_the_question_before_an_update_is_no_answer_to_the_update(
    office: Office, code: int
) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail(operation="invoice", code=code)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    assert statuses(office.open_updates()) == [UpdateStatus.QUEUED]
    office.push()
    assert told(office, hub_id) == ["ANNOTATED"]
    assert not office.answers()


# -- unclear answers ---------------------------------------------------------------------------

UPDATES = {
    "ANNOTATED": annotated,
    "PAID": paid,
    "REJECTED": rejected,
    "ACCEPTED": lambda hub_id: said(hub_id, "ACCEPTED"),
}


@pytest.mark.parametrize("state", UPDATES)
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "lost"])
@pytest.mark.parametrize("kind", ["reset", "html", "empty", "error", "cut"])
def test_an_unclear_answer_has_exactly_one_effect(
    office: Office, kind: str, state: str, *, applied: bool
) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.set_state(hub_id, State.DELIVERED)
    office.sandbox.book.faults.fail(kind, operation="update", state=state, applied=applied)
    office.drop("a.XML", state_file(UPDATES[state](hub_id)))
    for _ in range(3):
        failing(office.push)
    assert told(office, hub_id) == ["DELIVERED", state]
    assert not office.open_updates()
    assert not office.answers()


@pytest.mark.parametrize("applied", [True, False], ids=["applied", "lost"])
def test_a_hub_that_hangs_has_exactly_one_effect(open_account: Offices, *, applied: bool) -> None:
    office = open_account()
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail("hang", operation="update", seconds=60, applied=applied)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push_in_vain()
    for _ in range(2):
        failing(office.push)
    assert told(office, hub_id) == ["ANNOTATED"]
    assert not office.open_updates()


def test_an_update_that_timed_out_waits_as_long_again(open_account: Offices) -> None:
    """What the hub applies late is found then, and not sent a second time."""
    office = open_account()
    office = replace(office, account=replace(office.account, settings=patient(office)))
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail("hang", operation="update", seconds=60)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push_in_vain()
    office.clock.pass_by(seconds=30)  # past any other wait
    office.push(only_due=True)
    assert office.patches() == ["ANNOTATED"]
    office.sandbox.book.set_state(hub_id, StateUpdate(state=State.ANNOTATED, register_number="R-1"))
    office.clock.pass_by(seconds=60)
    office.push(only_due=True)
    assert office.patches() == ["ANNOTATED"]
    assert not office.open_updates()


def test_what_the_hub_applied_late_is_not_sent_again_after_somebody_else_spoke(
    open_account: Offices,
) -> None:
    office = open_account()
    (hub_id,) = office.served()
    book = office.sandbox.book
    book.faults.fail("hang", operation="update", seconds=60)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push_in_vain()
    book.set_state(hub_id, StateUpdate(state=State.ANNOTATED, register_number="R-1"))
    book.set_state(hub_id, State.RECOGNISED)
    office.push()
    assert office.patches() == ["ANNOTATED"]
    assert outcomes(office) == ["found-applied"]


def test_an_update_that_timed_out_waits_as_long_though_the_hub_cannot_be_asked(
    open_account: Offices,
) -> None:
    office = open_account()
    office = replace(office, account=replace(office.account, settings=patient(office)))
    (hub_id,) = office.served()
    faults = office.sandbox.book.faults
    faults.fail("hang", operation="update", seconds=60)
    faults.fail(operation="invoice", code=9001, skip=1)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push_in_vain()
    office.clock.pass_by(seconds=30)  # past any other wait
    office.push(only_due=True)
    assert office.patches() == ["ANNOTATED"]
    assert statuses(office.open_updates()) == [UpdateStatus.SENDING]
    office.clock.pass_by(seconds=60)
    office.push(only_due=True)
    assert told(office, hub_id) == ["ANNOTATED"]


def test_an_update_that_a_stop_broke_off_waits_as_one_that_timed_out(
    open_account: Offices,
) -> None:
    """The hub may still be at it when the bridge is back, a second later."""
    office = open_account()
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail("hang", operation="update", seconds=60)
    office.drop("a.XML", state_file(annotated(hub_id)))
    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(failing, office.push)
        wait_until(lambda: not office.sandbox.book.faults.waiting, "the hub is at the update")
        office.account.hub.close()
        pushing.result()
    wait_until(office.patches, "the hub has written it down")
    again = open_account()
    again.clock.pass_by(seconds=again.account.settings.push.retry_initial + 1)
    again.push(only_due=True)
    assert again.patches() == ["ANNOTATED"]
    again.clock.pass_by(seconds=again.account.settings.hub.timeout)
    again.push(only_due=True)
    assert told(again, hub_id) == ["ANNOTATED"]


def patient(office: Office) -> Settings:
    """Settings by which a call that timed out took a minute."""
    settings = office.account.settings
    hub = settings.hub.model_copy(update={"timeout": 60.0})
    return settings.model_copy(update={"hub": hub})


def test_what_was_applied_is_told_from_what_was_true_before(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail("reset", operation="update", applied=True)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    assert outcomes(office) == ["found-applied"]


def test_the_hubs_clock_counts_for_what_was_applied(office: Office) -> None:
    office.sandbox.book.clock_offset = -20.0
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail("reset", operation="update", applied=True)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    assert outcomes(office) == ["found-applied"]


def test_an_answer_that_stays_unclear_stays_in_the_outbox(office: Office) -> None:
    (hub_id,) = office.served()
    book = office.sandbox.book
    book.faults.fail("reset", operation="update", applied=True)
    book.faults.fail("html", operation="invoice", skip=1, times=3)
    office.drop("a.XML", state_file(annotated(hub_id)))
    failing(office.push)
    assert statuses(office.open_updates()) == [UpdateStatus.SENDING]
    book.faults.clear()
    office.push()
    assert told(office, hub_id) == ["ANNOTATED"]
    assert outcomes(office) == ["found-applied"]


@pytest.mark.parametrize("code", [2003, 9999])
def test_a_hub_without_a_history_can_still_show_that_it_applied(office: Office, code: int) -> None:
    (hub_id,) = office.served()
    book = office.sandbox.book
    book.faults.fail("reset", operation="update", applied=True)
    book.faults.fail(operation="states", code=code, times=None)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    assert not office.open_updates()
    assert office.patches() == ["ANNOTATED"]
    assert outcomes(office) == ["already-shown"]


def test_a_history_that_ends_with_the_update_is_enough(office: Office) -> None:
    """The invoice data may leave any field out: then the history tells the details."""
    (hub_id,) = office.served()
    book = office.sandbox.book
    book.faults.fail("reset", operation="update", applied=True)
    office.drop("a.XML", state_file(annotated(hub_id)))
    hide_register_number(office, hub_id)
    for _ in range(3):
        failing(office.push)
    assert told(office, hub_id) == ["ANNOTATED"]
    assert not office.open_updates()


def hide_register_number(office: Office, hub_id: str) -> None:
    """Let the hub leave `numeroRegistreRCF` out of its invoice data."""
    book = office.sandbox.book
    whole = book.invoice_data

    def curt(wanted: str) -> bytes:
        return whole(wanted).replace(b'"numeroRegistreRCF"', b'"unknown"')

    book.invoice_data = curt  # type: ignore[method-assign]


def applied_unheard(office: Office, name: str, content: bytes) -> None:
    """Drop a state file whose PATCH takes effect without the bridge ever hearing of it."""
    book = office.sandbox.book
    book.faults.fail("reset", operation="update", applied=True)
    book.faults.fail("html", operation="invoice", skip=1, times=None)
    office.drop(name, content)
    failing(office.push)
    book.faults.clear()


def test_what_was_applied_before_somebody_else_spoke_is_not_sent_again(office: Office) -> None:
    (hub_id,) = office.served()
    applied_unheard(office, "a.XML", state_file(annotated(hub_id)))
    office.sandbox.book.set_state(hub_id, State.ACCEPTED)
    office.push()
    assert told(office, hub_id) == ["ANNOTATED", "ACCEPTED"]
    assert outcomes(office) == ["found-applied"]


def test_an_earlier_update_of_the_same_words_does_not_pass_for_a_lost_one(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(said(hub_id, "RECEIVED"), said(hub_id, "ACCEPTED")))
    office.push()
    office.sandbox.book.faults.fail("reset", operation="update")
    again = Said(hub_id=hub_id, status="RECEIVED", number="again")
    office.drop("b.XML", state_file(again))
    for _ in range(2):
        failing(office.push)
    assert told(office, hub_id) == ["DELIVERED", "RECEIVED", "ACCEPTED", "RECEIVED"]


def test_an_update_the_hub_said_to_wait_with_is_sent_once(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail("busy", operation="update", seconds=0)
    office.drop("a.XML", state_file(annotated(hub_id)))
    failing(office.push)
    assert statuses(office.open_updates()) == [UpdateStatus.QUEUED]
    office.push()
    assert told(office, hub_id) == ["ANNOTATED"]


def test_two_updates_of_the_same_state_in_a_row_are_one_patch(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(annotated(hub_id), annotated(hub_id)))
    office.push()
    assert office.patches() == ["ANNOTATED"]
    assert outcomes(office) == ["patched", "already-shown"]


# -- order and independence ----------------------------------------------------------------------


def test_an_update_that_waits_holds_the_later_ones_of_its_invoice_only(office: Office) -> None:
    stuck, free = office.served(2)
    office.sandbox.book.faults.fail(operation="update", hub_id=stuck, code=9999)
    office.drop("a.XML", state_file(annotated(stuck), said(stuck, "ACCEPTED"), annotated(free)))
    office.push()
    assert told(office, stuck) == []
    assert told(office, free) == ["ANNOTATED"]
    office.push(only_due=True)
    assert told(office, stuck) == []  # neither of them: the first one waits
    office.clock.pass_by(hours=2)
    office.push(only_due=True)
    assert told(office, stuck) == ["ANNOTATED", "ACCEPTED"]


def test_a_refused_update_does_not_hold_the_later_ones(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail(operation="update", state="ANNOTATED", code=3007)
    office.drop("a.XML", state_file(annotated(hub_id), said(hub_id, "ACCEPTED")))
    office.push()
    assert told(office, hub_id)[-1] == "ACCEPTED"
    assert len(office.refusals()) == 1


def test_a_poisoned_invoice_does_not_hold_the_updates_of_others(open_account: Offices) -> None:
    office = open_account(hub={"max_connections": 1})
    *bad, good = office.served(8)
    for hub_id in bad:
        office.sandbox.book.faults.fail(hub_id=hub_id, html=True, times=None)
    office.drop("a.XML", state_file(*(annotated(hub_id) for hub_id in (*bad, good))))
    for _ in range(2):
        failing(office.push)
    assert told(office, good) == ["ANNOTATED"]
    assert len(office.open_updates()) == len(bad)


def test_many_updates_of_many_invoices_are_each_told_once_and_in_order(office: Office) -> None:
    hub_ids = office.served(12)
    steps = ["DELIVERED", "RECEIVED", "ACCEPTED", "RECOGNISED"]
    for number, step in enumerate(steps):
        content = state_file(*(said(hub_id, step) for hub_id in hub_ids))
        office.drop(f"{number}.XML", content)
        office.push()
    for hub_id in hub_ids:
        assert told(office, hub_id) == steps


STEPS = ["DELIVERED", "RECEIVED", "ACCEPTED", "RECOGNISED"]


def when_shown_again(office: Office, do: Callable[[], object]) -> None:
    """Let something happen when the hub shows an invoice for the second time: after its PATCH."""
    book = office.sandbox.book
    whole = book.invoice_data
    times: list[str] = []

    def watched(wanted: str) -> bytes:
        times.append(wanted)
        if len(times) == 2:
            do()
        return whole(wanted)

    book.invoice_data = watched  # type: ignore[method-assign]


def test_many_updates_of_one_invoice_do_not_outlast_a_turn(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(*(said(hub_id, step) for step in STEPS)))
    take_in(office.account)
    until = time.monotonic() + 1

    def sit_out_the_turn() -> None:
        while time.monotonic() < until:
            time.sleep(0.01)

    when_shown_again(office, sit_out_the_turn)
    hub = office.account.writable_hub()
    assert hub is not None
    send(office.account, hub, only_due=True, until=until)
    assert len(office.open_updates()) >= 3
    office.push(only_due=True)
    assert told(office, hub_id) == STEPS


def test_a_stop_does_not_wait_for_many_updates_of_one_invoice(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(*(said(hub_id, step) for step in STEPS)))
    when_shown_again(office, office.account.stopping.set)
    office.push()
    assert told(office, hub_id) == STEPS[:1]
    office.account.stopping.clear()
    office.push()
    assert told(office, hub_id) == STEPS


# -- a hub that is away --------------------------------------------------------------------------


def test_a_hub_that_is_down_leaves_updates_queued(office: Office) -> None:
    hub_ids = office.served(8)
    office.sandbox.stop()
    office.drop("a.XML", state_file(*map(annotated, hub_ids)))
    assert isinstance(failing(office.push), HubAwayError)
    assert statuses(office.open_updates()) == [UpdateStatus.QUEUED] * 8
    office.sandbox.start()
    assert office.push(only_due=True).sent.accepted == 8


def test_a_key_that_is_refused_stops_the_account_and_marks_nothing(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail(code=1012, times=None)
    office.drop("a.XML", state_file(annotated(hub_id)))
    assert isinstance(failing(office.push), AccountError)
    (update,) = office.open_updates()
    assert (update.status, update.attempts) == (UpdateStatus.QUEUED, 0)
    office.sandbox.book.faults.clear()
    office.push(only_due=True)
    assert told(office, hub_id) == ["ANNOTATED"]


def test_a_key_that_is_refused_at_the_patch_marks_nothing_either(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail(operation="update", code=1012, times=None)
    office.drop("a.XML", state_file(annotated(hub_id)))
    assert isinstance(failing(office.push), AccountError)
    assert statuses(office.open_updates()) == [UpdateStatus.QUEUED]
    office.sandbox.book.faults.clear()
    office.push(only_due=True)
    assert outcomes(office) == ["patched"]


def test_a_restart_in_the_middle_of_sending_asks_the_hub_first(open_account: Offices) -> None:
    office = open_account()
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    with office.account.ledger.write() as connection:  # as a crash right after the PATCH leaves it
        connection.execute(schema.state_update.update().values(status="sending", outcome=None))
        connection.execute(schema.attempt.update().values(answer=None))
    again = open_account()
    again.push()
    assert again.patches() == ["ANNOTATED"]
    assert outcomes(again) == ["found-applied"]


def test_an_invoice_without_a_state_is_asked_for_its_history(office: Office) -> None:
    (hub_id,) = office.served()
    book = office.sandbox.book
    whole = book.invoice_data
    book.invoice_data = lambda wanted: whole(wanted).replace(b'"estat"', b'"unknown"')  # type: ignore[method-assign]
    office.drop("a.XML", state_file(said(hub_id, "ACCEPTED")))
    office.push()
    assert told(office, hub_id) == ["DELIVERED", "ACCEPTED"]
    office.drop("b.XML", state_file(Said(hub_id=hub_id, status="ACCEPTED", number="other")))
    office.push()
    assert told(office, hub_id) == ["DELIVERED", "ACCEPTED"]
