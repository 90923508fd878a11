"""Taking invoices and attachments off the hub's pending list: when, and when not."""

from dataclasses import replace

import pytest

from bridge.errors import AccountError, HubAwayError
from bridge.ledger import summary
from bridge.model import DeliveryState, State, StateUpdate
from bridge.outbound.round import acknowledge_round
from tests.accounts import Office, Offices, annotated, failing, said, state_file


@pytest.fixture
def stored(open_account: Offices) -> Office:
    return open_account(acknowledge="stored")


# -- when ---------------------------------------------------------------------------------------


def test_a_poll_does_not_wait_until_all_updates_are_sent(office: Office) -> None:
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.pull()
    with office.account.mailbox.turn("hub"):  # as while updates are sent
        assert acknowledge_round(office.account, patience=30) == 0
    assert acknowledge_round(office.account, patience=30) == 1


def test_collected_waits_for_the_software(office: Office) -> None:
    (hub_id,) = office.served()
    office.push()
    assert office.patches() == []
    office.collect(hub_id)
    assert office.push().acknowledged == 1
    assert office.states(hub_id) == ["SENT", "REGISTERED", "DELIVERED"]
    assert office.delivery(hub_id).state is DeliveryState.ACKNOWLEDGED
    assert hub_id not in office.sandbox.book.pending


def test_stored_tells_the_hub_once_the_files_are_safe(stored: Office) -> None:
    (hub_id,) = stored.served()
    assert stored.out_of(hub_id)
    acknowledge_round(stored.account)
    assert stored.states(hub_id)[-1] == "DELIVERED"
    assert stored.delivery(hub_id).state is DeliveryState.PLACED
    stored.collect(hub_id)
    stored.push()
    assert stored.delivery(hub_id).state is DeliveryState.ACKNOWLEDGED
    assert stored.patches() == ["DELIVERED"]


def test_stored_says_nothing_of_an_invoice_that_is_not_safe(stored: Office) -> None:
    (hub_id,) = stored.add()
    stored.sandbox.book.faults.fail(operation="facturae", code=9999, times=None)
    stored.pull()
    stored.push()
    assert stored.patches() == []
    assert hub_id in stored.sandbox.book.pending


def test_never_leaves_it_to_the_software(open_account: Offices) -> None:
    office = open_account(acknowledge="never")
    (hub_id,) = office.served()
    office.sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    office.pull()
    office.collect(hub_id)
    for path in office.folder("adjout").iterdir():
        path.unlink()
    office.push()
    assert office.patches() == []
    assert len(office.sandbox.book.pending_attachments) == 1
    assert office.delivery(hub_id).state is DeliveryState.COLLECTED


def test_never_takes_the_marks_of_attachments_once_the_software_annotated(
    open_account: Offices,
) -> None:
    office = open_account(acknowledge="never")
    (hub_id,) = office.served()
    office.sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    office.pull()
    office.collect(hub_id)
    for path in office.folder("adjout").iterdir():
        path.unlink()
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    office.push()
    assert office.patches() == ["ANNOTATED"]
    assert office.sandbox.book.pending_attachments == ()


def test_never_takes_the_marks_of_attachments_whose_invoice_was_never_listed(
    open_account: Offices,
) -> None:
    """The software had the invoice from elsewhere and annotated it before it was listed."""
    office = open_account(acknowledge="never")
    office.pull()
    (hub_id,) = office.add()
    office.sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    office.pull()
    for path in office.folder("adjout").iterdir():
        path.unlink()
    office.push()
    assert office.sandbox.book.pending_attachments == ()


def test_an_invoice_is_acknowledged_once(office: Office) -> None:
    (hub_id,) = office.served()
    office.collect(hub_id)
    for _ in range(3):
        office.push()
        office.pull()
    assert office.patches(hub_id) == ["DELIVERED"]


# -- only while the hub shows SENT or REGISTERED ---------------------------------------------------


@pytest.mark.parametrize("state", sorted(set(State) - {State.SENT, State.REGISTERED}))
def test_a_hub_that_is_further_on_is_left_alone(office: Office, state: State) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.set_state(hub_id, StateUpdate(state=state))
    office.collect(hub_id)
    office.push()
    assert office.patches() == []
    assert office.delivery(hub_id).state is DeliveryState.ACKNOWLEDGED


def test_an_invoice_without_a_registration_is_tried_again_once_it_has_one(office: Office) -> None:
    (hub_id,) = office.served(registered=False)
    office.collect(hub_id)
    office.push()
    assert office.states(hub_id) == ["SENT"]
    assert office.delivery(hub_id).state is DeliveryState.COLLECTED
    office.push(only_due=True)
    assert office.patches() == ["DELIVERED"]  # 3005: it waits
    office.sandbox.book.register(hub_id, "E/1")
    office.clock.pass_by(hours=2)
    office.push(only_due=True)
    assert office.states(hub_id)[-1] == "DELIVERED"


def test_a_hub_that_moved_on_between_the_question_and_the_patch_is_left_alone(
    office: Office,
) -> None:
    """The hub says 3007: whatever it shows by then, the invoice is off the list."""
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.sandbox.book.faults.fail(operation="update", code=3007, times=None)
    office.push()
    assert office.delivery(hub_id).state is DeliveryState.COLLECTED
    office.sandbox.book.set_state(hub_id, State.ANNOTATED)
    office.push()
    assert office.delivery(hub_id).state is DeliveryState.ACKNOWLEDGED
    assert office.states(hub_id)[-1] == "ANNOTATED"


def test_an_update_that_was_taken_acknowledges_its_invoice(open_account: Offices) -> None:
    office = open_account(acknowledge="never")
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.drop("a.XML", state_file(said(hub_id, State.DELIVERED)))
    office.push()
    assert office.delivery(hub_id).state is DeliveryState.ACKNOWLEDGED


# -- unclear answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("kind", ["reset", "html", "empty", "error"])
def test_an_unclear_answer_has_exactly_one_effect(
    office: Office, kind: str, *, applied: bool
) -> None:
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.sandbox.book.faults.fail(kind, operation="update", applied=applied)
    for _ in range(3):
        failing(office.push)
    assert office.states(hub_id) == ["SENT", "REGISTERED", "DELIVERED"]
    assert office.delivery(hub_id).state is DeliveryState.ACKNOWLEDGED


def test_a_delivered_that_timed_out_waits_as_long_again(open_account: Offices) -> None:
    """What the hub applies late is seen then, and not told a second time."""
    office = open_account()
    settings = office.account.settings
    patient = settings.hub.model_copy(update={"timeout": 60.0})
    settings = settings.model_copy(update={"hub": patient})
    office = replace(office, account=replace(office.account, settings=settings))
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.sandbox.book.faults.fail("hang", operation="update", seconds=60)
    office.push_in_vain()
    office.clock.pass_by(seconds=30)  # past any other wait
    office.push(only_due=True)
    assert office.patches() == ["DELIVERED"]
    office.clock.pass_by(seconds=60)
    office.push(only_due=True)
    assert office.states(hub_id) == ["SENT", "REGISTERED", "DELIVERED"]


def test_a_hub_that_is_down_leaves_it_for_later(office: Office) -> None:
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.sandbox.stop()
    assert isinstance(failing(office.push), HubAwayError)
    assert office.delivery(hub_id).state is DeliveryState.COLLECTED
    office.sandbox.start()
    office.push(only_due=True)
    assert office.states(hub_id)[-1] == "DELIVERED"


def test_a_key_that_is_refused_marks_nothing(office: Office) -> None:
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.sandbox.book.faults.fail(code=1012, times=None)
    assert isinstance(failing(office.push), AccountError)
    assert office.delivery(hub_id).state is DeliveryState.COLLECTED
    assert office.delivery(hub_id).attempts == 0


def test_one_invoice_that_cannot_be_acknowledged_does_not_hold_the_others(office: Office) -> None:
    bad, good = office.served(2)
    office.collect(bad, good)
    office.sandbox.book.faults.fail(hub_id=bad, code=9999, times=None)
    office.push()
    assert office.states(good)[-1] == "DELIVERED"
    assert office.delivery(bad).state is DeliveryState.COLLECTED


def test_invoices_that_cannot_be_acknowledged_do_not_hold_up_updates(
    open_account: Offices,
) -> None:
    office = open_account(hub={"max_connections": 1})
    *bad, good = office.served(7)
    office.collect(*bad)
    for hub_id in bad:
        office.sandbox.book.faults.fail(hub_id=hub_id, html=True, times=None)
    office.drop("a.XML", state_file(said(good, State.ACCEPTED)))
    failing(office.push)
    assert office.states(good)[-1] == "ACCEPTED"


# -- attachments ---------------------------------------------------------------------------------


def test_an_attachments_mark_goes_when_it_was_collected(office: Office) -> None:
    hub_id = office.sandbox.book.add_invoice(attachments=False)
    attachment_id = office.sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    office.pull()
    office.push()
    assert attachment_id in office.sandbox.book.pending_attachments
    (path,) = office.folder("adjout").iterdir()
    path.unlink()
    office.push()
    assert attachment_id not in office.sandbox.book.pending_attachments
    assert office.out_of(hub_id)
    assert len(office.sandbox.book.requests(operation="acknowledge_attachment")) == 1


def test_an_attachments_mark_goes_once_it_is_stored(stored: Office) -> None:
    hub_id = stored.sandbox.book.add_invoice(attachments=False)
    stored.sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    stored.pull()
    stored.push()
    assert not stored.sandbox.book.pending_attachments
    assert stored.names("adjout")


@pytest.mark.parametrize("applied", [True, False])
def test_an_attachments_mark_goes_after_an_unclear_answer_too(
    stored: Office, *, applied: bool
) -> None:
    hub_id = stored.sandbox.book.add_invoice(attachments=False)
    stored.sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    stored.pull()
    stored.sandbox.book.faults.fail("reset", operation="acknowledge_attachment", applied=applied)
    for _ in range(3):
        stored.push()
    assert not stored.sandbox.book.pending_attachments
    before = len(stored.sandbox.book.requests(operation="acknowledge_attachment"))
    stored.push()
    assert len(stored.sandbox.book.requests(operation="acknowledge_attachment")) == before


def unclear_mark(office: Office, *faults: dict[str, object], applied: bool = True) -> None:
    """Have an attachment whose mark the hub is told of, without a clear answer; then `faults`."""
    hub_id = office.sandbox.book.add_invoice(attachments=False)
    office.sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    office.pull()
    office.push()
    (path,) = office.folder("adjout").iterdir()
    path.unlink()
    fail = office.sandbox.book.faults.fail
    fail("reset", operation="acknowledge_attachment", applied=applied)
    for fault in faults:
        fail(**fault)  # type: ignore[arg-type]
    failing(office.push)


def marks_told(office: Office) -> int:
    return len(office.sandbox.book.requests(operation="acknowledge_attachment"))


def found_applied(office: Office) -> int:
    with office.account.ledger.read() as connection:
        return summary.found_applied(connection, office.account.name)


def test_a_mark_that_the_invoice_no_longer_shows_was_taken_off(office: Office) -> None:
    unclear_mark(office)
    assert found_applied(office) == 1
    office.push()
    assert marks_told(office) == 1


def test_a_mark_that_the_invoice_still_shows_is_taken_off_again(office: Office) -> None:
    unclear_mark(office, applied=False)
    assert office.sandbox.book.pending_attachments
    office.push()
    assert not office.sandbox.book.pending_attachments
    assert marks_told(office) == 2
    assert found_applied(office) == 0


@pytest.mark.parametrize("answer", ["reset", "error", "html"])
def test_a_mark_that_cannot_be_asked_about_is_taken_off_again_without_a_second_effect(
    office: Office, answer: str
) -> None:
    unclear_mark(office, {"kind": answer, "operation": "invoice", "times": None})
    office.sandbox.book.faults.clear()
    office.push()
    office.push()
    assert marks_told(office) == 2  # the hub answers 2002
    assert found_applied(office) == 1


def test_an_attachment_that_did_not_come_keeps_its_mark(stored: Office) -> None:
    hub_id = stored.sandbox.book.add_invoice(attachments=False)
    stored.sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    stored.sandbox.book.faults.fail(operation="attachment", code=2002, times=None)
    stored.pull()
    stored.push()
    assert stored.out_of(hub_id)
    assert len(stored.sandbox.book.pending_attachments) == 1
