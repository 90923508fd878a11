"""Whose fault: one classification for every error, and what clerk and support are told of it."""

from typing import Any

import pytest

from bridge import status
from bridge.blame import FAULTS, Caller, Fault, blame, fault_of, got_no_answer, heard, said
from bridge.errors import (
    AccountError,
    BridgeError,
    HubAwayError,
    InvoiceError,
    LedgerError,
    OldMailboxAwayError,
    OldMailboxFileError,
    OldMailboxRefusedError,
    OldMailboxUnwritableError,
    PortTakenError,
    RcfFileError,
    SettingsError,
    StorageError,
)
from bridge.hub import calls
from bridge.hub.errors import (
    ERRORS,
    HubListError,
    HubPausedError,
    HubUnreachableError,
    UnclearAnswerError,
)
from bridge.hub.verdict import Answer, failure, unsure
from bridge.mailbox import MARK
from bridge.model import HubId
from bridge.rounds import pull_round, push_round
from tests.accounts import Office, Offices, annotated, failing, state_file
from tests.accounts import said as asked

CALLER = Caller(account="town", issuer="hub_0012", base_url="https://efact.aoc.cat/rcf")


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (RcfFileError, Fault.RCF_FILE),
        (InvoiceError, Fault.INVOICE),
        (HubAwayError, Fault.HUB_AWAY),
        (HubUnreachableError, Fault.HUB_AWAY),
        (UnclearAnswerError, Fault.HUB_AWAY),
        (HubListError, Fault.HUB_AWAY),
        (AccountError, Fault.ACCOUNT),
        (OldMailboxAwayError, Fault.OLD_MAILBOX_AWAY),
        (OldMailboxRefusedError, Fault.OLD_MAILBOX_REFUSED),
        (OldMailboxUnwritableError, Fault.OLD_MAILBOX_REFUSED),
        (OldMailboxFileError, Fault.INVOICE),
        (SettingsError, Fault.LOCAL),
        (LedgerError, Fault.LOCAL),
        (StorageError, Fault.LOCAL),
        (PortTakenError, Fault.LOCAL),
    ],
)
def test_every_error_says_whose_fault_it_is(kind: type[BridgeError], fault: Fault) -> None:
    assert kind.fault is fault


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_the_hubs_codes_are_blamed_alike_as_errors_and_in_the_ledger(code: int) -> None:
    assert ERRORS[code].fault is FAULTS[code]
    error = ERRORS[code](what="invoice 1", code=code, text="ai (HTTP 999)", http_status=418)
    assert fault_of(str(error), otherwise=Fault.LOCAL) is FAULTS[code]
    assert heard(str(error)).code == code


def test_no_code_of_the_hub_is_forgotten() -> None:
    assert FAULTS.keys() == ERRORS.keys()


def test_a_trouble_without_a_code_keeps_the_status() -> None:
    assert heard("invoice 1: HTTP 502 without the hub's error code").http_status == 502
    assert fault_of("HTTP 403 without a code", otherwise=Fault.INVOICE) is Fault.ACCOUNT
    assert fault_of("the disk is full", otherwise=Fault.LOCAL) is Fault.LOCAL
    assert fault_of(said(9876, "?", 500), otherwise=Fault.INVOICE) is Fault.INVOICE


@pytest.mark.parametrize(
    "fault",
    [Fault.RCF_FILE, Fault.LOCAL, Fault.OLD_MAILBOX_AWAY, Fault.OLD_MAILBOX_REFUSED],
)
def test_the_aoc_is_not_asked_about_what_it_cannot_mend(fault: Fault) -> None:
    assert blame("x", otherwise=fault, caller=CALLER).support is None


def test_each_fault_has_a_sentence_of_its_own_that_says_what_comes_next() -> None:
    assert len({fault.clerk for fault in Fault}) == len(Fault)


# -- in `status` -----------------------------------------------------------------------------------


def look(office: Office) -> status.Status:
    return status.look(office.account.settings, office.account.ledger, now=office.clock())


def in_json(office: Office) -> Any:
    document: Any = status.as_json(look(office))
    return document["accounts"][0]


def in_words(office: Office) -> str:
    return status.as_text(look(office))


def life_in_words(office: Office, some_id: str) -> str:
    callers = {account.name: account.caller for account in look(office).accounts}
    found = status.life(office.account.ledger, some_id, callers=callers)
    assert found is not None
    return status.as_text(found)


def test_an_invoice_that_the_hub_fails_on_names_all_that_support_needs(office: Office) -> None:
    (hub_id,) = office.add()
    office.sandbox.book.faults.fail(operation="facturae", code=9999, times=None)
    office.pull()
    found = in_json(office)["held_back"][0]["blame"]
    assert found["fault"] == "invoice"
    for part in ("user hub_", "(account town)", f"invoice {hub_id}", "error 9999", "HTTP 500"):
        assert part in found["support"]
    for words in (in_words(office), life_in_words(office, hub_id)):
        assert Fault.INVOICE.clerk in words
        assert found["support"] in words
        assert office.sandbox.secret not in words


def test_an_account_that_is_not_let_in_says_who_must_mend_it(office: Office) -> None:
    office.sandbox.book.faults.fail(code=1003, times=None)
    failing(lambda: pull_round(office.inbound, only_due=False))
    found = in_json(office)["blame"]
    assert found["fault"] == "account"
    assert "error 1003, HTTP 401" in found["support"]
    assert Fault.ACCOUNT.clerk in in_words(office)
    assert found["support"] in in_words(office)


def test_a_hub_that_is_away_asks_nothing_of_anybody(office: Office) -> None:
    office.sandbox.stop()
    failing(lambda: pull_round(office.inbound, only_due=False))
    assert in_json(office)["blame"]["fault"] == "hub-away"
    assert "nobody here has to do anything" in in_words(office)


@pytest.mark.parametrize(("state", "fault"), [("SENT", "rcf-file"), ("ACCEPTED", "invoice")])
def test_a_refused_update_says_who_must_act(office: Office, state: str, fault: str) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail(operation="update", state="ACCEPTED", code=3007)
    office.drop("a.XML", state_file(asked(hub_id, state)))
    push_round(office.account, only_due=False)
    (row,) = in_json(office)["refused"]
    assert row["blame"]["fault"] == fault
    words = life_in_words(office, str(row["update_id"]))
    assert row["blame"]["clerk"] in words
    assert (f"update {row['update_id']}, error 3007" in words) == (fault == "invoice")


def test_an_update_that_waits_says_why_and_what_comes_next(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail("reset", operation="update", times=None)
    office.drop("a.XML", state_file(annotated(hub_id)))
    failing(office.push)
    (row,) = in_json(office)["waiting"]
    assert (row["hub_id"], row["state"]) == (hub_id, "ANNOTATED")
    assert row["next_try"] is not None
    assert row["blame"]["fault"] == "invoice"
    assert row["blame"]["support"] in in_words(office)


def test_what_got_no_answer_is_the_hubs_trouble_while_it_answers_nobody(office: Office) -> None:
    (hub_id,) = office.served()
    office.sandbox.book.faults.fail("reset", operation="update", times=None)
    office.drop("a.XML", state_file(annotated(hub_id)))
    failing(office.push)
    assert in_json(office)["waiting"][0]["blame"]["fault"] == "invoice"
    office.sandbox.stop()
    failing(lambda: pull_round(office.inbound, only_due=False))
    (row,) = in_json(office)["waiting"]
    assert row["blame"]["fault"] == "hub-away"
    assert Fault.INVOICE.clerk not in in_words(office)
    assert row["blame"]["clerk"] in life_in_words(office, str(row["update_id"]))


def test_a_definite_no_stays_the_invoices_while_the_hub_is_away(office: Office) -> None:
    office.add()
    office.sandbox.book.faults.fail(operation="facturae", code=9999, times=None)
    office.pull()
    office.sandbox.stop()
    failing(lambda: pull_round(office.inbound, only_due=False))
    (row,) = in_json(office)["held_back"]
    assert row["blame"]["fault"] == "invoice"


READ, WRITE = calls.invoice(HubId("1")), calls.drop_pending_attachment("1")


@pytest.mark.parametrize(
    "error",
    [
        failure(READ, Answer(status=429, body=b"")),
        failure(WRITE, Answer(status=429, body=b"")),
        failure(READ, Answer(status=503, body=b"")),
        failure(WRITE, Answer(status=503, body=b"<html>")),
        failure(READ, Answer(status=503, body=b'{"codiError": 8888, "descripcioError": "no"}')),
        HubPausedError("nothing is sent to the hub for 3 s more: the hub answered 9999 x"),
    ],
    ids=str,
)
def test_a_hub_that_asks_for_peace_is_away_whatever_it_was_asked(error: BridgeError) -> None:
    assert error.fault is Fault.HUB_AWAY
    assert fault_of(str(error), otherwise=Fault.INVOICE) is Fault.HUB_AWAY


@pytest.mark.parametrize("call", [READ, WRITE])
def test_every_answer_that_says_nothing_is_known_again_by_its_words(call: calls.Call) -> None:
    for status_code in (200, 400, 500, 502):
        error = failure(call, Answer(status=status_code, body=b"<html>"))
        assert isinstance(error, HubAwayError)
        assert got_no_answer(str(error))
    assert got_no_answer(str(unsure(call, "the hub did not answer")))
    assert not got_no_answer(str(InvoiceError("it is empty; if it stays so, ask the AOC")))


# -- what follows from it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind", "waits"),
    [
        ({"code": 1012}, AccountError, 7),
        ({"kind": "busy", "seconds": 60}, HubAwayError, 7),
        ({"code": 9999}, None, 7),
        ({"code": 3001}, None, 0),
    ],
)
def test_what_is_done_follows_from_whose_fault_it_is(
    open_account: Offices, fault: dict[str, Any], kind: type[BridgeError] | None, waits: int
) -> None:
    office = open_account(hub={"max_connections": 1})
    hub_ids = office.served(7)
    office.drop("a.XML", state_file(*map(annotated, hub_ids)))
    office.sandbox.book.faults.fail(**fault, operation="update", times=None)
    error = failing(office.push)
    assert error is None if kind is None else isinstance(error, kind)
    assert len(office.patches()) == (7 if kind is None else 1)  # one no stands for all, or not
    assert len(office.open_updates()) == waits
    assert len(office.refusals()) == 7 - waits  # and every no reaches the RCF


def test_a_machine_that_cannot_store_says_nothing_to_the_hub(office: Office) -> None:
    (hub_id,) = office.served()
    office.collect(hub_id)
    before = len(office.sandbox.book.requests())
    office.folder("statin").parent.joinpath(MARK).unlink()
    error = failing(office.push)
    assert isinstance(error, StorageError)
    assert error.fault is Fault.LOCAL
    assert len(office.sandbox.book.requests()) == before
