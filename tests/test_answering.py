"""Answers in `statout`: every no comes back, once, in the legacy form."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from bridge.feedback import HubFeedback
from bridge.model import LegacyStatus, State
from bridge.translate import NO_TARGETS
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
)

SCHEMA = Path(__file__).parents[2] / "shared" / "spec" / "DeliveryFeedback.xsd"


def the_answer(office: Office) -> tuple[str, list[HubFeedback]]:
    """The only answer: its name, and the hub's side of its entries."""
    ((name, message),) = office.answers().items()
    assert all(entry.invoice is None for entry in message.entries)
    return name, [entry.hub for entry in message.entries if entry.hub]


# -- every code ----------------------------------------------------------------------------------

DOCTYPE = b'<!DOCTYPE a [<!ENTITY b "c">]><DeliveryFeedback/>'


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "BR01"),
        (b"no xml", "BR01"),
        (b"<DeliveryFeedback><StatusFeedback>", "BR01"),
        (b"<Facturae/>", "BR01"),
        (DOCTYPE, "BR01"),
        (b"<DeliveryFeedback/>", "BR05"),
        (b"<DeliveryFeedback>" + b" " * (30 * 2**20) + b"</DeliveryFeedback>", "BR07"),
    ],
    ids=["empty", "text", "cut", "other root", "doctype", "no entries", "30 MB"],
)
def test_a_file_that_is_broken_as_a_whole_is_answered(
    office: Office, content: bytes, code: str
) -> None:
    office.pull()
    office.drop("a.XML", content)
    office.push()
    _, (entry,) = the_answer(office)
    assert (entry.error_code or "").startswith(f"{code} ")
    assert "(update" not in (entry.error_code or "")
    assert entry.hub_id == ""
    assert entry.filename == "a.XML"
    assert office.names("statin") == []


@pytest.mark.parametrize(
    ("update", "text"),
    [
        (
            lambda hub_id: said(hub_id, "ANNOTATED"),
            "BR05 ANNOTATED needs a register number (update 2 of 3)",
        ),
        (
            lambda hub_id: said(hub_id, "CANCELED"),
            f"BR04 {NO_TARGETS[LegacyStatus.CANCELED]} (update 2 of 3)",
        ),
        (
            lambda hub_id: said(hub_id, "SENT"),
            "BR04 SENT is set by the hub itself, never by a receiver (update 2 of 3)",
        ),
        (
            lambda hub_id: said(hub_id, ""),
            "BR05 the update has no state: its Status is missing or empty (update 2 of 3)",
        ),
    ],
    ids=["no number", "canceled", "sent", "empty"],
)
def test_an_update_that_is_refused_bears_code_reason_and_place(
    office: Office, update: Callable[[str], Said], text: str
) -> None:
    one, two = office.served(2)
    office.drop("a.XML", state_file(annotated(one), update(two), said(one, "ACCEPTED")))
    office.push()
    _, (entry,) = the_answer(office)
    assert entry.error_code == text
    assert entry.hub_id == two
    assert entry.status == "REJECTED"
    assert entry.status_date is not None
    assert entry.filename == "a.XML"
    assert office.states(one)[2:] == ["ANNOTATED", "ACCEPTED"]


def test_a_state_that_does_not_exist_is_br04(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(said(hub_id, "PAGADA")))
    office.push()
    _, (entry,) = the_answer(office)
    assert (entry.error_code or "").startswith("BR04 ")


def test_what_the_hub_refuses_is_answered_with_its_code(office: Office) -> None:
    (hub_id,) = office.served(registered=False)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    _, (entry,) = the_answer(office)
    assert entry.error_code == "3005 La factura no té número de registre (update 1 of 1)"


# -- one answer to a file ------------------------------------------------------------------------


def test_one_file_gets_one_answer_with_an_entry_for_each_refusal(office: Office) -> None:
    one, two = office.served(2)
    office.drop(
        "a.XML",
        state_file(
            said(one, "CANCELED"),
            annotated(two),
            said(one, "ANNOTATED"),
            annotated("999"),
            said("", "RECEIVED"),
        ),
    )
    office.push()
    _, entries = the_answer(office)
    assert [(entry.error_code or "").split()[0] for entry in entries] == [
        "BR04",
        "BR05",
        "2001",
        "BR02",
    ]
    assert [entry.hub_id for entry in entries] == [one, one, "999", ""]


def test_two_files_get_two_answers(office: Office) -> None:
    office.pull()
    office.drop("a.XML", b"x")
    office.drop("b.XML", b"y")
    office.push()
    assert len(office.answers()) == 2


def test_a_file_is_answered_once(office: Office) -> None:
    office.pull()
    office.drop("a.XML", b"x")
    for _ in range(3):
        office.push()
    assert len(office.answers()) == 1


def test_an_answer_that_was_collected_does_not_come_again(open_account: Offices) -> None:
    office = open_account()
    office.pull()
    office.drop("a.XML", b"x")
    office.push()
    (path,) = office.folder("statout").iterdir()
    path.unlink()
    office.push()
    open_account().push()
    assert office.names("statout") == []


def test_a_file_without_refusals_gets_no_answer(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.push()
    assert not office.answers()


def test_what_the_hub_refuses_later_is_answered_then(office: Office) -> None:
    one, two = office.served(2)
    office.sandbox.book.faults.fail(operation="update", hub_id=two, code=9999)
    office.drop("a.XML", state_file(said(one, "CANCELED"), annotated(two)))
    office.push()
    assert len(office.answers()) == 1
    office.sandbox.book.set_state(two, State.PAID)
    office.push()
    assert sorted(text.split()[0] for text in office.refusals()) == ["BR04", "BR06"]
    assert len(office.answers()) == 2


def test_refusals_are_answered_while_the_hub_is_away(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.stop()
    office.drop("a.XML", state_file(annotated(hub_id), said(hub_id, "SENT")))
    assert failing(office.push)
    assert len(office.refusals()) == 1


# -- names ---------------------------------------------------------------------------------------


def test_the_answer_to_a_known_invoice_is_named_as_the_invoice(office: Office) -> None:
    (hub_id,) = office.served()
    office.drop("a.XML", state_file(said(hub_id, "SENT")))
    office.push()
    name, _ = the_answer(office)
    (invoice,) = office.out_of(hub_id)
    stem, message_id = name.removesuffix(".XML").rsplit("@", 1)
    assert stem == invoice.name.rsplit("@", 1)[0]
    assert message_id.isdigit()


def test_the_answer_is_named_as_an_invoice_that_was_collected(office: Office) -> None:
    (hub_id,) = office.served()
    stem = office.names("out")[0].rsplit("@", 1)[0]
    office.collect(hub_id)
    office.push()
    office.drop("a.XML", state_file(said(hub_id, "SENT")))
    office.push()
    assert the_answer(office)[0].startswith(f"{stem}@")


@pytest.mark.parametrize("content", [b"x", state_file(annotated("999"))], ids=["broken", "2001"])
def test_the_answer_to_no_known_invoice_bears_the_receiver_twice_and_the_file(
    open_account: Offices, content: bytes
) -> None:
    office = open_account(receiver_code="R123")
    office.pull()
    office.drop("P1@B1@F 7.XML", content)
    office.push()
    name, _ = the_answer(office)
    parts = name.split("@")
    assert parts[:2] == ["R123", "R123"]
    assert parts[2] == "P1_B1_F 7.XML"
    assert len(parts) == 4


def test_without_a_code_the_receivers_nif_stands_in_the_name(office: Office) -> None:
    office.served(receiver_nif="P0800000A")
    office.drop("a.XML", b"x")
    office.push()
    assert the_answer(office)[0].startswith("P0800000A@P0800000A@a.XML@")


def test_no_two_messages_share_a_name_even_when_all_were_collected(office: Office) -> None:
    seen: set[str] = set()
    office.pull()
    for number in range(4):
        office.drop("a.XML", f"broken {number}".encode())
        office.push()
        (path,) = office.folder("statout").iterdir()
        assert path.name not in seen
        seen.add(path.name)
        path.unlink()


def test_a_file_with_a_very_long_name_is_answered(office: Office) -> None:
    office.pull()
    office.drop("ñ" * 120 + ".XML", b"x")
    office.push()
    name, (entry,) = the_answer(office)
    assert len(name.encode()) <= 200
    assert entry.filename == "ñ" * 120 + ".XML"


# -- to the letter of the schema -----------------------------------------------------------------


@pytest.mark.skipif(not SCHEMA.exists(), reason="the published schema is not beside the project")
def test_every_message_is_valid_by_the_published_schema(office: Office) -> None:
    one, two, _ = office.served(3)
    (bare,) = office.add(number=None, supplier_nif=None, receiver_nif=None, issue_date=None)
    (sent,) = office.add(registered=False)
    office.pull()
    office.drop("a.XML", b"\xff\x00")
    office.drop("b.XML", state_file(said(one, "SENT"), annotated("999"), paid(two), rejected(two)))
    office.drop("c\x07.XML", state_file(said(bare, "x\x85y"), annotated(sent)))
    office.push()
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    messages = list(office.folder("statout").iterdir())
    assert len(messages) == 8
    for path in messages:
        schema.assertValid(etree.parse(path))
