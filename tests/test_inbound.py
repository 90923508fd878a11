"""From the hub into the mailbox: what is placed, in which order, and what is never placed again."""

import errno
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from bridge import feedback
from bridge.errors import AccountError, HubAwayError, LedgerError, StorageError
from bridge.inbound.collecting import look_for_collected
from bridge.inbound.placing import DELIVERED_KINDS
from bridge.inbound.round import Inbound
from bridge.ledger import (
    attachments,
    deliveries,
    histories,
    invoices,
    placed_files,
    schema,
    spans,
    summary,
)
from bridge.ledger.contents import Contents
from bridge.mailbox import CONFIRMATION, MARK, MailboxGoneError
from bridge.model import DeliveryState, FeedName, HubId, PendingInvoice, State
from bridge.sandbox.attachments import HOSTILE_NAMES
from bridge.sandbox.server import Sandbox
from tests.accounts import Office, Offices, failing


def message_beside(office: Office, hub_id: str) -> feedback.DeliveryFeedback:
    """Return the state message beside an invoice."""
    (message,) = (
        message
        for path in office.folder("statout").iterdir()
        for message in [feedback.read(path.read_bytes())]
        if message.entries[0].hub and message.entries[0].hub.hub_id == hub_id
    )
    return message


def acknowledgment(message: feedback.DeliveryFeedback) -> bytes | None:
    """Return the receipt in a state message."""
    (entry,) = message.entries
    assert entry.invoice is not None
    return entry.invoice.feedbacks[0].acknowledgment


def receipt_trouble(office: Office, hub_id: str) -> str | None:
    with office.account.ledger.read() as connection:
        asked = select(schema.delivery.c.receipt_trouble).where(schema.delivery.c.hub_id == hub_id)
        return connection.scalar(asked)


def trouble(office: Office, hub_id: str) -> str | None:
    with office.account.ledger.read() as connection:
        return connection.scalar(
            select(schema.delivery.c.trouble).where(schema.delivery.c.hub_id == hub_id)
        )


# -- what is placed ----------------------------------------------------------------------------


def test_an_invoice_is_placed_as_the_hub_gave_it(office: Office) -> None:
    (hub_id,) = office.served()
    (path,) = office.out_of(hub_id)
    assert path.read_bytes() == office.sandbox.book.held(hub_id).facturae()


def test_names_in_the_mailbox_follow_the_profile(office: Office) -> None:
    hub_id = office.sandbox.book.add_invoice(
        attachments=False, number="A/7", supplier_nif="B11111111", receiver_nif="P0800000A"
    )
    office.sandbox.book.add_attachment(hub_id, "Plànol.PDF", b"%PDF-")
    office.pull()
    assert office.names("out") == [f"B11111111@P0800000A@A_7@{hub_id}.XML"]
    assert office.names("adjout") == [f"B11111111@P0800000A@A_7@{hub_id}@001.pdf"]
    (message,) = office.names("statout")
    assert message.startswith("B11111111@P0800000A@A_7@")
    assert message.endswith(".XML")


def test_the_receivers_code_of_the_settings_stands_in_names(open_account: Offices) -> None:
    office = open_account(receiver_code="0123456789012345678901")
    office.served()
    assert office.names("out")[0].split("@")[1] == "0123456789012345678901"


def test_the_state_message_tells_the_registration_and_bears_the_receipt(office: Office) -> None:
    (hub_id,) = office.served()
    held = office.sandbox.book.held(hub_id)
    (entry,) = message_beside(office, hub_id).entries
    assert entry.hub is not None
    assert entry.hub.hub_id == hub_id
    assert entry.hub.filename == office.out_of(hub_id)[0].name
    assert entry.invoice is not None
    (state,) = entry.invoice.feedbacks
    assert state.status == "REGISTERED"
    assert state.register_number == held.invoice.registration_number
    assert held.receipt is not None
    assert state.acknowledgment == held.receipt()


def test_receipts_are_left_out_where_the_settings_say_so(
    sandbox: Sandbox, open_account: Offices
) -> None:
    office = open_account()
    quiet = office.account.settings.model_copy(
        update={"pull": office.account.settings.pull.model_copy(update={"receipts": False})}
    )
    hub_id = sandbox.book.add_invoice(attachments=False)
    Inbound(replace(office.account, settings=quiet)).round(only_due=False)
    assert acknowledgment(message_beside(office, hub_id)) is None
    assert not sandbox.book.requests(operation="receipt")


def test_what_the_hub_leaves_out_comes_from_the_invoice_file(office: Office) -> None:
    (hub_id,) = office.add()
    whole = office.sandbox.book.invoice(hub_id)
    (bare,) = office.add(
        facturae=office.sandbox.book.held(hub_id).facturae(),
        number=None,
        supplier_nif=None,
        receiver_nif=None,
        issue_date=None,
    )
    office.pull()
    (entry,) = message_beside(office, bare).entries
    assert entry.invoice is not None
    assert entry.invoice.supplier_cif == whole.supplier_nif
    assert entry.invoice.buyer_cif == whole.receiver_nif
    assert entry.invoice.invoice_date == whole.issue_date


def test_attachments_become_visible_first_then_the_message_then_the_invoice(
    office: Office,
) -> None:
    hub_id = office.sandbox.book.add_invoice(attachments=False)
    for name in ("a.pdf", "b.txt"):
        office.sandbox.book.add_attachment(hub_id, name, name.encode())
    office.pull()
    with office.account.ledger.read() as connection:
        shown = [
            event.kind
            for event in histories.events(connection, hub_id)
            if event.kind.endswith("placed")
        ]
    assert shown == [
        "attachment placed",
        "attachment placed",
        "state placed",
        "invoice placed",
    ]
    (invoice,) = office.out_of(hub_id)
    earlier = [*office.folder("adjout").iterdir(), *office.folder("statout").iterdir()]
    assert all(path.stat().st_ctime_ns <= invoice.stat().st_ctime_ns for path in earlier)


def test_hostile_attachment_names_stay_in_their_folder(office: Office) -> None:
    hub_id = office.sandbox.book.add_invoice(attachments=False)
    for name in HOSTILE_NAMES:
        office.sandbox.book.add_attachment(hub_id, name.format("pdf"), b"x")
    office.pull()
    found = office.names("adjout")
    assert len(found) == len(HOSTILE_NAMES)
    assert all(f"@{hub_id}@" in name for name in found)


def test_an_empty_attachment_is_placed_as_it_is(office: Office) -> None:
    hub_id = office.sandbox.book.add_invoice(attachments=False)
    office.sandbox.book.add_attachment(hub_id, "buit.txt", b"")
    office.pull()
    (path,) = office.folder("adjout").iterdir()
    assert path.read_bytes() == b""


def test_a_second_round_changes_nothing(office: Office) -> None:
    office.served(3)
    before = {path: path.stat() for path in office.folder("out").iterdir()}
    done = office.pull()
    assert (done.new, done.placed, done.collected) == (0, 0, 0)
    assert {path: path.stat() for path in office.folder("out").iterdir()} == before


def test_an_invoice_is_in_the_ledger_before_it_is_fetched(office: Office) -> None:
    office.sandbox.book.faults.fail(operation="invoice", code=9999, times=None)
    (hub_id,) = office.add()
    office.pull()
    assert office.delivery(hub_id).state is DeliveryState.SEEN
    assert not office.names("out")


# -- one bad invoice never holds the others ----------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"operation": "invoice", "code": 9999},
        {"operation": "invoice", "code": 2001},
        {"operation": "facturae", "code": 9999},
        {"operation": "facturae", "code": 2001},
        {"operation": "facturae", "html": True, "status": 500},
        {"operation": "facturae", "html": True, "status": 404},
        {"operation": "facturae", "kind": "cut"},
        {"operation": "facturae", "kind": "reset"},
        {"operation": "facturae", "kind": "empty", "status": 200},
        {"operation": "invoice", "code": 9001},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_a_poisoned_invoice_does_not_hold_the_others(
    office: Office, fault: dict[str, object]
) -> None:
    first, poisoned, last = office.add(3)
    office.sandbox.book.faults.fail(**{"hub_id": poisoned, "times": None} | fault)  # type: ignore[arg-type]
    done = office.pull()
    assert office.out_of(first)
    assert office.out_of(last)
    assert not office.out_of(poisoned)
    assert [hub_id for hub_id, _ in done.troubles] == [poisoned]
    assert trouble(office, poisoned)


def test_many_poisoned_invoices_do_not_hold_the_others_either(open_account: Offices) -> None:
    office = open_account(hub={"max_connections": 1})
    poisoned = office.add(7)
    for hub_id in poisoned:
        office.sandbox.book.faults.fail(html=True, operation="facturae", hub_id=hub_id, times=None)
    good = office.add(3)
    for _ in range(3):
        failing(office.pull)
    assert all(office.out_of(hub_id) for hub_id in good)


@pytest.mark.parametrize("content", [b"<a>", b"no xml", b"<a/>tail", b"<!DOCTYPE a><a/>"])
def test_an_invoice_that_is_no_whole_xml_is_held_back(office: Office, content: bytes) -> None:
    (good,) = office.add()
    (bad,) = office.add(facturae=content)
    office.pull()
    assert office.out_of(good)
    assert not office.out_of(bad)
    assert bad in (trouble(office, bad) or "")


@pytest.mark.parametrize("fault", [{"code": 9999}, {"code": 9001}, {"html": True}])
def test_a_hub_that_fails_on_its_list_of_attachments_gives_its_invoices_all_the_same(
    office: Office, fault: dict[str, Any]
) -> None:
    (hub_id,) = office.add(attachments=False)
    office.sandbox.book.add_attachment(hub_id, "annex.pdf", b"%PDF-")
    office.sandbox.book.faults.fail(operation="pending_attachments", times=None, **fault)
    error = failing(office.pull)
    assert isinstance(error, HubAwayError)
    assert "pending attachments" in str(error)
    assert office.out_of(hub_id)
    assert len(office.names("adjout")) == 1


def test_a_hub_that_fails_on_the_list_of_one_tax_id_gives_the_invoices_of_another(
    open_account: Offices,
) -> None:
    book = open_account.sandbox.book
    hub_id = book.add_invoice(attachments=False)
    office = open_account(nifs=["P0800000B", book.held(hub_id).invoice.receiver_nif])
    book.faults.fail(operation="pending_invoices", code=9999)
    assert isinstance(failing(office.pull), HubAwayError)
    assert office.out_of(hub_id)
    with office.account.ledger.read() as connection:
        assert list(spans.spans(connection, office.account.name, FeedName.REST)) == []


def test_without_the_list_of_attachments_the_hub_counts_as_not_listed(office: Office) -> None:
    office.add()
    office.sandbox.book.faults.fail(operation="pending_attachments", code=9999)
    failing(office.pull)
    with office.account.ledger.read() as connection:
        assert list(spans.spans(connection, office.account.name, FeedName.REST)) == []


def test_an_invoice_that_heals_is_placed_in_a_later_round(office: Office) -> None:
    (hub_id,) = office.add()
    office.sandbox.book.faults.fail(operation="facturae", code=9999)
    office.pull()
    assert not office.out_of(hub_id)
    office.pull()
    assert office.out_of(hub_id)
    assert trouble(office, hub_id) is None


def test_a_failed_invoice_waits_before_it_is_tried_again(office: Office) -> None:
    (hub_id,) = office.add()
    office.sandbox.book.faults.fail(operation="invoice", code=9999)
    office.pull()
    office.pull(only_due=True)
    assert not office.out_of(hub_id)
    office.clock.pass_by(hours=2)
    office.pull(only_due=True)
    assert office.out_of(hub_id)


def test_faults_of_single_invoices_do_not_look_like_a_hub_that_is_away(
    open_account: Offices,
) -> None:
    """The hub answers all the time: some answers are 9999, some are a proxy's."""
    office = open_account(hub={"max_connections": 1})
    for number, hub_id in enumerate(office.add(10)):
        fault = {"code": 9999} if number % 2 else {"html": True}
        office.sandbox.book.faults.fail(operation="facturae", hub_id=hub_id, times=None, **fault)  # type: ignore[arg-type]
    (good,) = office.add()
    office.pull()
    assert office.out_of(good)


def test_a_foreign_file_in_the_way_of_one_invoice_does_not_hold_the_others(
    open_account: Offices,
) -> None:
    office = open_account(hub={"max_connections": 1})
    office.pull()
    (blocked,) = office.add(number="7", supplier_nif="B1", receiver_nif="P1")
    foreign = office.folder("out") / f"B1@P1@7@{blocked}.XML"
    foreign.write_bytes(b"somebody else's")
    (other,) = office.add()
    for _ in range(2):
        failing(office.pull)
    assert office.out_of(other)
    assert foreign.read_bytes() == b"somebody else's"
    foreign.unlink()
    office.pull()
    (path,) = office.out_of(blocked)
    assert path.read_bytes() == office.sandbox.book.held(blocked).facturae()
    assert trouble(office, blocked) is None


def test_a_foreign_file_in_the_way_of_one_invoice_of_many_at_once_holds_up_that_one_alone(
    office: Office,
) -> None:
    office.pull()
    (blocked,) = office.add(number="7", supplier_nif="B1", receiver_nif="P1")
    foreign = office.folder("out") / f"B1@P1@7@{blocked}.XML"
    foreign.write_bytes(b"somebody else's")
    others = office.add(12)
    done = office.pull()
    assert [hub_id for hub_id, _ in done.troubles] == [blocked]
    assert all(office.out_of(hub_id) for hub_id in others)


def test_an_invoice_that_cannot_be_written_down_does_not_hold_those_beside_it(
    office: Office,
) -> None:
    office.pull()
    (refused,) = office.add()
    others = office.add(12)
    with office.account.ledger.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE UPDATE ON delivery "
            f"WHEN NEW.hub_id = '{refused}' AND NEW.fetched_at IS NOT NULL "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )
    with pytest.raises(LedgerError, match="not this one"):
        office.pull()
    with office.account.ledger.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER refuse")
    office.pull()
    assert all(office.out_of(hub_id) for hub_id in (refused, *others))


def test_a_fault_of_ours_with_one_invoice_does_not_hold_those_beside_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.pull()
    office.add(number="unlucky")
    others = office.add(12)
    write = deliveries.fetched_all

    def write_or_stumble(
        connection: Connection, rows: Sequence[tuple[int, Contents, str]], *, at: datetime
    ) -> None:
        if any("unlucky" in name for *_, name in rows):
            raise ValueError("a fault of ours")
        write(connection, rows, at=at)

    monkeypatch.setattr(deliveries, "fetched_all", write_or_stumble)
    with pytest.raises(ValueError, match="a fault of ours"):
        office.pull()
    assert all(office.out_of(hub_id) for hub_id in others)


def test_a_file_that_the_disk_refuses_does_not_hold_up_the_other_invoices(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.pull()
    (unlucky,) = office.add(number="unlucky")
    others = office.add(12)
    rename = Path.rename

    def fail_for_one(path: Path, target: Path) -> Path:
        if "@unlucky@" in target.name:
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail_for_one)
        assert isinstance(failing(office.pull), StorageError)
        others += office.add(3)
        office.pull()
        assert all(office.out_of(hub_id) for hub_id in others)
        with office.account.ledger.read() as connection:
            (held,) = summary.held_back(connection, "town", FeedName.REST)
        assert "Input/output error" in held.trouble
    office.pull()
    assert office.out_of(unlucky)
    assert trouble(office, unlucky) is None


# -- receipts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"code": 9002},
        {"code": 9001},
        {"code": 9999},
        {"html": True, "status": 500},
        {"html": True, "status": 404},
        {"html": True, "status": 200},
        {"kind": "cut"},
        {"kind": "empty", "status": 200},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_a_missing_receipt_does_not_hold_an_invoice_after_three_tries(
    office: Office, fault: dict[str, object]
) -> None:
    office.sandbox.book.faults.fail(operation="receipt", times=None, **fault)  # type: ignore[arg-type]
    (hub_id,) = office.served()
    assert len(office.sandbox.book.requests(operation="receipt")) == 3
    assert acknowledgment(message_beside(office, hub_id)) is None
    assert receipt_trouble(office, hub_id)


def test_of_a_receipt_that_the_hub_cannot_make_nobody_says_that_it_is_tried_again(
    office: Office,
) -> None:
    office.sandbox.book.faults.fail(operation="receipt", code=9002, times=None)
    (hub_id,) = office.served()
    trouble = receipt_trouble(office, hub_id)
    assert trouble is not None
    assert "ask the AOC" in trouble
    assert "tried again" not in trouble


def test_a_receipt_that_comes_at_the_third_try_is_used(office: Office) -> None:
    office.sandbox.book.faults.fail(operation="receipt", code=9002, times=2)
    (hub_id,) = office.served()
    assert acknowledgment(message_beside(office, hub_id))
    assert receipt_trouble(office, hub_id) is None


# -- attachments ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [{"code": 2002}, {"code": 9999}, {"html": True, "status": 500}, {"kind": "cut"}],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_an_attachment_that_never_comes_does_not_hold_its_invoice_for_ever(
    office: Office, fault: dict[str, object]
) -> None:
    (other,) = office.add()
    hub_id = office.sandbox.book.add_invoice(attachments=False)
    office.sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    office.sandbox.book.add_attachment(hub_id, "b.pdf", b"b")
    office.sandbox.book.faults.fail(operation="attachment", hub_id=hub_id, times=None, **fault)  # type: ignore[arg-type]
    office.pull()
    assert office.out_of(other)
    for _ in range(2):
        office.pull()
    assert office.out_of(hub_id)
    assert not office.names("adjout")
    office.sandbox.book.faults.clear()
    office.pull()
    assert [path.read_bytes() for path in sorted(office.folder("adjout").iterdir())] == [b"a", b"b"]


def test_an_attachment_that_is_late_once_still_comes_before_its_invoice(office: Office) -> None:
    hub_id = office.sandbox.book.add_invoice(attachments=False)
    office.sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    office.sandbox.book.faults.fail(operation="attachment", code=9999)
    office.pull()
    assert not office.out_of(hub_id)
    assert not office.names("adjout")
    office.pull()
    assert office.out_of(hub_id)
    assert office.names("adjout")


def test_a_late_attachment_follows_its_invoice(office: Office) -> None:
    hub_id = office.sandbox.book.add_invoice(attachments=False)
    office.sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    office.pull()
    (invoice,) = office.out_of(hub_id)
    office.sandbox.book.add_attachment(hub_id, "b.TXT", b"b")
    office.pull()
    stem = invoice.name.removesuffix(".XML")
    assert office.names("adjout") == [f"{stem}@001.pdf", f"{stem}@002.txt"]


def test_a_late_attachment_follows_an_invoice_that_was_collected(office: Office) -> None:
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.push()
    office.sandbox.book.add_attachment(hub_id, "b.pdf", b"b")
    office.pull()
    assert len(office.names("adjout")) == 1
    assert not office.out_of(hub_id)


def test_a_late_attachment_bears_the_name_of_its_invoice(office: Office) -> None:
    """The invoice's name was taken from its file, where the hub said nothing."""
    (hub_id,) = office.served(number=None, supplier_nif=None, receiver_nif=None)
    office.sandbox.book.add_attachment(hub_id, "b.pdf", b"b")
    office.pull()
    stem = office.out_of(hub_id)[0].name.removesuffix(".XML")
    assert office.names("adjout") == [f"{stem}@001.pdf"]


def test_a_late_attachment_of_an_unknown_invoice_is_placed(office: Office) -> None:
    (hub_id,) = office.add()
    office.sandbox.book.set_state(hub_id, State.ANNOTATED)
    office.sandbox.book.add_attachment(hub_id, "b.pdf", b"b")
    office.pull()
    assert len(office.names("adjout")) == 1
    assert not office.names("out")


def test_an_invoice_that_is_listed_after_its_attachment_is_placed(
    office: Office, sandbox: Sandbox
) -> None:
    """It arrived between the two listings of one round, or was beyond the cap."""
    hub_id = sandbox.book.add_invoice(attachments=False)
    sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    rows = sandbox.book._pending
    row = rows.pop(hub_id)
    office.pull()
    assert len(office.names("adjout")) == 1
    rows[hub_id] = row
    (other,) = office.add()
    done = office.pull()
    assert not done.troubles
    assert office.out_of(hub_id)
    assert office.out_of(other)
    assert len(office.names("adjout")) == 1


def test_an_attachment_that_was_collected_before_its_invoice_is_not_placed_again(
    office: Office, sandbox: Sandbox
) -> None:
    hub_id = sandbox.book.add_invoice(attachments=False)
    sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    rows = sandbox.book._pending
    row = rows.pop(hub_id)
    office.pull()
    (path,) = office.folder("adjout").iterdir()
    path.unlink()
    office.pull()
    rows[hub_id] = row
    office.pull()
    assert office.out_of(hub_id)
    assert not office.names("adjout")


def test_an_attachment_is_placed_once_however_often_it_is_listed(office: Office) -> None:
    hub_id = office.sandbox.book.add_invoice(attachments=False)
    office.sandbox.book.add_attachment(hub_id, "a.pdf", b"a")
    office.pull()
    (path,) = office.folder("adjout").iterdir()
    path.unlink()
    for _ in range(3):
        office.pull()
    assert not office.names("adjout")
    with office.account.ledger.read() as connection:
        (row,) = attachments.of_invoice(
            connection, office.account.name, FeedName.REST, HubId(hub_id)
        )
    assert row.state is DeliveryState.COLLECTED


# -- collected ----------------------------------------------------------------------------------


def test_what_the_software_deletes_is_collected(office: Office) -> None:
    first, second = office.served(2)
    office.collect(first)
    assert office.pull().collected == 1
    assert office.delivery(first).state is DeliveryState.COLLECTED
    assert office.delivery(second).state is DeliveryState.PLACED


def test_a_collected_invoice_is_never_placed_again(open_account: Offices) -> None:
    office = open_account(acknowledge="never")
    (hub_id,) = office.served()
    office.collect(hub_id)
    for _ in range(3):
        office.pull()
        office.push()
    assert hub_id in office.sandbox.book.pending  # the hub lists it again and again
    assert not office.names("out")


def test_a_collected_invoice_is_never_placed_again_after_a_restart(
    open_account: Offices,
) -> None:
    office = open_account(acknowledge="never")
    (hub_id,) = office.served()
    office.collect(hub_id)
    again = open_account(acknowledge="never")
    again.pull()
    again.pull()
    assert not again.names("out")


def test_an_invoice_collected_through_the_other_feed_is_never_placed(office: Office) -> None:
    (hub_id,) = office.add()
    office.account.ledger.path.parent.mkdir(exist_ok=True)
    now = office.clock()
    with office.account.ledger.write() as connection:
        row = PendingInvoice(hub_id=hub_id)
        deliveries.see(connection, office.account.name, FeedName.LEGACY, [row], at=now)
        legacy = invoices.known(connection, office.account.name, hub_id)
        assert legacy is not None
        deliveries.had_before(connection, legacy.id, at=now)
    office.pull()
    assert not office.names("out")
    with office.account.ledger.read() as connection:
        assert not placed_files.visible(connection, office.account.name)


def test_state_messages_and_invoices_are_collected_one_by_one(office: Office) -> None:
    (hub_id,) = office.served()
    (message,) = office.folder("statout").iterdir()
    message.unlink()
    assert office.pull().collected == 1
    assert office.delivery(hub_id).state is DeliveryState.PLACED


def test_a_mailbox_whose_mark_is_gone_is_a_fault_and_no_collection(office: Office) -> None:
    (hub_id,) = office.served()
    (office.folder("out").parent / MARK).unlink()
    office.collect(hub_id)
    for call in (office.pull, office.push, lambda: look_for_collected(office.account)):
        assert isinstance(failing(call), MailboxGoneError)
    assert office.delivery(hub_id).state is DeliveryState.PLACED


def test_a_mailbox_whose_out_is_gone_is_a_fault_and_no_collection(office: Office) -> None:
    (hub_id,) = office.served()
    shutil.rmtree(office.folder("out"))
    for call in (office.pull, office.push, lambda: look_for_collected(office.account)):
        assert isinstance(failing(call), MailboxGoneError)
    assert office.delivery(hub_id).state is DeliveryState.PLACED
    assert not office.folder("out").exists()


def test_a_mailbox_that_is_not_mounted_is_a_fault_and_no_collection(office: Office) -> None:
    (hub_id,) = office.served()
    root = office.folder("out").parent
    away = root.with_name("unmounted")
    root.rename(away)
    root.mkdir()
    assert isinstance(failing(office.pull), MailboxGoneError)
    assert isinstance(failing(office.push), MailboxGoneError)
    assert office.delivery(hub_id).state is DeliveryState.PLACED
    root.rmdir()
    away.rename(root)
    assert office.pull().collected == 0
    assert office.out_of(hub_id)


def test_the_mark_of_another_mailbox_is_a_fault(office: Office) -> None:
    office.served()
    (office.folder("out").parent / MARK).write_text("another\n")
    assert isinstance(failing(office.pull), MailboxGoneError)


def test_a_mailbox_that_is_back_goes_on(office: Office) -> None:
    office.served()
    mark = office.folder("out").parent / MARK
    kept = mark.read_bytes()
    mark.unlink()
    assert failing(office.pull)
    mark.write_bytes(kept)
    assert failing(office.pull) is None


def test_an_empty_mailbox_folder_is_a_collection_when_the_mark_is_there(office: Office) -> None:
    hub_ids = office.served(3)
    office.collect(*hub_ids)
    office.pull()
    assert all(office.delivery(each).state is DeliveryState.COLLECTED for each in hub_ids)


# -- the hub in trouble ------------------------------------------------------------------------


def test_a_hub_that_is_down_ends_the_round_and_loses_nothing(office: Office) -> None:
    hub_ids = office.served(2)
    office.sandbox.stop()
    assert isinstance(failing(office.pull), HubAwayError)
    assert all(office.out_of(hub_id) for hub_id in hub_ids)
    office.sandbox.start()
    (new,) = office.add()
    office.pull()
    assert office.out_of(new)


def test_a_hub_that_goes_down_in_the_middle_leaves_the_rest_for_later(office: Office) -> None:
    hub_ids = office.add(4)
    office.sandbox.book.faults.fail(operation="facturae", kind="reset", times=None)
    failing(office.pull)
    assert all(office.delivery(hub_id).state is DeliveryState.SEEN for hub_id in hub_ids)
    office.sandbox.book.faults.clear()
    office.pull()
    assert all(office.out_of(hub_id) for hub_id in hub_ids)


def test_a_key_that_is_refused_ends_the_round_and_marks_nothing(
    sandbox: Sandbox, open_account: Offices
) -> None:
    office = open_account()
    (hub_id,) = office.add()
    sandbox.book.faults.fail(operation="invoice", code=1003, times=None)
    assert isinstance(failing(office.pull), AccountError)
    assert office.delivery(hub_id).attempts == 0
    assert trouble(office, hub_id) is None


@pytest.mark.parametrize(
    "fault",
    [
        {"html": True, "status": 200},
        {"html": True, "status": 503},
        {"html": True, "status": 404},
        {"kind": "empty", "status": 200},
        {"code": 9999},
        {"code": 9001},
        {"code": 2001},
        {"kind": "busy"},
        {"kind": "cut"},
        {"kind": "reset", "times": 2},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_a_listing_that_is_no_listing_is_never_an_empty_one(
    office: Office, fault: dict[str, object]
) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail(operation="pending_invoices", **fault)  # type: ignore[arg-type]
    assert isinstance(failing(office.pull), HubAwayError)
    assert office.out_of(hub_id)
    assert last_poll_is_kept(office)


def last_poll_is_kept(office: Office) -> bool:
    """Tell whether the failed listing left no trace of a success."""
    with office.account.ledger.read() as connection:
        before = connection.scalar(select(schema.account.c.last_poll))
    return before is not None and before < office.clock()


def test_an_invoice_that_the_hub_no_longer_lists_stays_in_the_mailbox(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.set_state(hub_id, State.DELIVERED)
    office.pull()
    assert office.out_of(hub_id)


# -- after a loss on this side --------------------------------------------------------------------


def begin_without_showing(office: Office, hub_id: HubId) -> None:
    """Leave the ledger and the folders as a crash right before the renaming does."""
    (path,) = office.out_of(hub_id)
    mailbox = office.account.mailbox
    with office.account.ledger.write() as connection:
        mine = schema.placed_file.c.name == path.name
        connection.execute(
            update(schema.placed_file).where(mine).values(state="placing", placed_at=None)
        )
        fresh = {"state": "fetched", "placed_at": None}
        connection.execute(
            update(schema.delivery).where(schema.delivery.c.hub_id == hub_id).values(fresh)
        )
        (file,) = placed_files.placing(connection, office.account.name, DELIVERED_KINDS)
    path.unlink()
    mailbox.make_ready([(file.folder, file.name, file.digest)])


@pytest.mark.parametrize("first", ["pull", "push"])
def test_an_interrupted_placing_is_finished_although_staging_was_emptied(
    open_account: Offices, first: str
) -> None:
    office = open_account()
    (hub_id,) = office.served()
    begin_without_showing(office, hub_id)
    shutil.rmtree(office.account.settings.data_dir / "staging")
    again = open_account()
    getattr(again, first)()
    again.pull()
    assert again.out_of(hub_id)
    assert again.delivery(hub_id).state is DeliveryState.PLACED


def test_a_folder_that_cannot_be_written_is_a_fault_of_this_machine(office: Office) -> None:
    office.pull()
    office.add()
    shutil.rmtree(office.folder("statout"))
    office.folder("statout").write_bytes(b"")
    assert isinstance(failing(office.pull), StorageError)


def test_a_file_is_never_shown_before_its_bytes_are_in_the_archive(office: Office) -> None:
    (hub_id,) = office.served()
    (path,) = office.out_of(hub_id)
    with office.account.ledger.read() as connection:
        (file,) = (
            file
            for file in placed_files.visible(connection, office.account.name)
            if file.name == path.name
        )
    assert office.account.mailbox.archive.path(file.digest).samefile(path)


def test_an_invoice_can_be_found_by_number_supplier_and_date(office: Office) -> None:
    (hub_id,) = office.served(number="A-7", supplier_nif="B12345678", issue_date=date(2026, 3, 4))
    with office.account.ledger.read() as connection:
        found = invoices.matching(
            connection,
            office.account.name,
            number="a-7",
            supplier_nif="ES-B12345678",
            issue_date=date(2026, 3, 4),
        )
    assert found == [hub_id]


def test_another_folder_in_the_place_of_out_is_a_fault_and_no_collection(office: Office) -> None:
    (hub_id,) = office.served()
    out = office.folder("out")
    out.rename(out.with_name("moved"))
    out.mkdir()
    for call in (office.pull, office.push, lambda: look_for_collected(office.account)):
        assert isinstance(failing(call), MailboxGoneError)
    assert office.delivery(hub_id).state is DeliveryState.PLACED
    assert "DELIVERED" not in office.states(hub_id)
    out.rmdir()
    out.with_name("moved").rename(out)
    assert office.pull().collected == 0


def test_a_person_can_confirm_that_what_a_replaced_folder_lacks_was_collected(
    office: Office,
) -> None:
    (hub_id,) = office.served()
    out = office.folder("out")
    out.rename(out.with_name("moved"))
    out.mkdir()
    assert isinstance(failing(office.pull), MailboxGoneError)
    (out.parent / CONFIRMATION).touch()
    assert office.pull().collected == 1
    assert office.delivery(hub_id).state is DeliveryState.COLLECTED
    assert not (out.parent / CONFIRMATION).exists()


def test_a_folder_that_was_moved_with_all_its_files_is_recognised(office: Office) -> None:
    (hub_id,) = office.served()
    out = office.folder("out")
    shutil.copytree(out, out.with_name("restored"))
    shutil.rmtree(out)
    out.with_name("restored").rename(out)
    assert office.pull().collected == 0
    office.collect(hub_id)
    assert office.pull().collected == 1


@pytest.mark.parametrize(
    "page", [b"<html><body>Manteniment</body></html>", b"<?xml version='1.0'?><Invoice/>"]
)
def test_what_is_no_facturae_is_held_back_and_fetched_again(office: Office, page: bytes) -> None:
    hub_id = office.sandbox.book.add_invoice(facturae=page)
    assert [trouble[0] for trouble in office.pull().troubles] == [hub_id]
    assert office.out_of(hub_id) == []
    assert hub_id in office.sandbox.book.pending


def test_an_invoice_that_stays_listed_is_acknowledged_once_more(office: Office) -> None:
    (hub_id,) = office.served()
    office.collect(hub_id)
    office.pull()
    account = office.account
    with account.ledger.write() as connection:  # as after a hub that only said yes
        deliveries.acknowledged(connection, account.name, FeedName.REST, hub_id, at=account.clock())
    office.pull()
    office.push()
    assert office.patches(hub_id) == []
    office.clock.pass_by(minutes=11)
    office.pull()
    office.push()
    assert office.patches(hub_id) == ["DELIVERED"]
