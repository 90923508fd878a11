"""Contract drift: what the hub answers beside its contract is tolerated, counted and shown once."""

from typing import Any

import pytest

from bridge import status
from bridge.errors import BridgeError
from bridge.hub import HubClient
from bridge.hub.calls import Operation
from bridge.hub.drift import LONGEST_NAME, MORE, MOST_NAMES, DriftCounter, look_for_drift
from bridge.ledger import drift as in_ledger
from bridge.model import Drift, DriftKind, HubId, State, StateUpdate
from bridge.rounds import pull_round, push_round
from tests.accounts import Office, annotated, state_file
from tests.hub_server import HubServer, error_reply, json_reply
from tests.test_hub_answers import FULL

ONE = HubId("1")


def found(operation: Operation, answer: dict[str, object]) -> set[tuple[str, str]]:
    return {(str(it.kind), it.name) for it in look_for_drift(operation, answer)}


# -- what counts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["nifProveidor", "nifProveedor"])
def test_all_that_the_contract_names_is_no_drift(spelling: str) -> None:
    invoice: dict[str, object] = {**FULL, spelling: "B12345674"}
    del invoice["camp_nou"]
    assert found(Operation.INVOICE, invoice) == set()
    assert found(Operation.PATCH, invoice) == set()
    row = {"estat": "SENT", "codiEstat": "1000", "dataEstat": "2026-02-03T16:25:02Z"}
    assert found(Operation.HISTORY, {"estats": [row]}) == set()
    entity = {"nif": "P0801900B", "nom": "Ajuntament", "ine10": "0801930008"}
    assert found(Operation.ENTITIES, {"ens": [entity]}) == set()


def test_what_the_contract_lets_be_missing_is_no_drift() -> None:
    assert found(Operation.INVOICE, {"estat": "SENT"}) == set()
    assert found(Operation.PENDING_INVOICES, {"factures": [{"id": 1}]}) == set()


def test_a_field_that_nobody_knows_is_drift_wherever_it_stands() -> None:
    answer: dict[str, object] = {"estat": "SENT", "nou": 1, "adjunts": [{"idAdjunt": 7, "mida": 2}]}
    assert found(Operation.INVOICE, answer) == {
        ("unknown field", "nou"),
        ("unknown field", "adjunts.mida"),
    }


@pytest.mark.parametrize(
    ("operation", "answer", "name"),
    [
        (Operation.PENDING_INVOICES, {"factures": [{"id": 1}, {"nif": "P"}]}, "factures.id"),
        (Operation.PENDING_ATTACHMENTS, {"adjunts": [{"idAdjunt": 1}]}, "adjunts.idFactura"),
        (Operation.PENDING_ATTACHMENTS, {"adjunts": [{"idFactura": 1}]}, "adjunts.idAdjunt"),
        (Operation.INVOICE, {"id": "1"}, "estat"),
        (Operation.HISTORY, {"estats": [{"codiEstat": "1000"}]}, "estats.estat"),
        (Operation.PENDING_INVOICES, {"mesFactures": False, "factures": None}, "factures"),
        (Operation.PENDING_INVOICES, {"mesFactures": False}, "factures"),
    ],
)
def test_a_field_that_is_needed_and_missing_is_drift(
    operation: Operation, answer: dict[str, object], name: str
) -> None:
    assert found(operation, answer) == {("missing field", name)}


def test_an_unknown_state_is_drift() -> None:
    rows = [{"estat": "SENT"}, {"estat": "ARCHIVED"}, {"estat": "ARCHIVED"}]
    assert found(Operation.HISTORY, {"estats": rows}) == {("unknown state", "ARCHIVED")}


@pytest.mark.parametrize("odd", [None, 7, "x", [], [None, 7, "x", []], {"adjunts": 1}])
def test_odd_lists_are_no_reason_to_fail(odd: object) -> None:
    look_for_drift(Operation.INVOICE, {"estat": "SENT", "adjunts": odd})


# -- how it is counted -----------------------------------------------------------------------------


def test_each_answer_counts_once_until_it_is_taken(hub: HubServer, client: HubClient) -> None:
    rows = [{"id": number, "nou": 1} for number in range(20)]
    hub.says(*[json_reply({"mesFactures": False, "factures": rows})] * 3)
    for _ in range(3):
        assert len(client.pending_invoices().rows) == 20
    met = Drift(call="GET /factures-pendents", kind=DriftKind.UNKNOWN_FIELD, name="factures.nou")
    assert client.take_drift() == {met: 3}
    assert client.take_drift() == {}


def test_an_error_code_that_nobody_knows_is_drift(hub: HubServer, client: HubClient) -> None:
    hub.says(
        error_reply(9876, status=500), error_reply(3099, status=400), error_reply(9999, status=500)
    )
    for call in (
        lambda: client.invoice(ONE),
        lambda: client.patch(ONE, StateUpdate(state=State.ACCEPTED)),
        lambda: client.history(ONE),
    ):
        with pytest.raises(BridgeError):
            call()
    assert {(it.call, it.name) for it in client.take_drift()} == {
        ("GET /factura/:id", "9876"),
        ("PATCH /factura/:id", "3099"),
    }


def test_hostile_names_are_cut_and_few() -> None:
    counter = DriftCounter()
    for number in range(3 * MOST_NAMES):
        hostile = f"{number}\x1b[2J\ud800" + "x" * 1000
        counter.add(look_for_drift(Operation.INVOICE, {"estat": "SENT", hostile: 1}))
    met = counter.take()
    assert len(met) == MOST_NAMES + 1
    assert all(len(it.name) <= LONGEST_NAME and it.name.isprintable() for it in met)
    assert max(met, key=lambda it: met[it]).name == MORE
    assert sum(met.values()) == 3 * MOST_NAMES


def test_a_hub_that_makes_up_names_does_not_fill_the_ledger(office: Office) -> None:
    for part in range(4):
        met = {
            Drift(call="GET /ens", kind=DriftKind.UNKNOWN_FIELD, name=f"{part}-{number}"): 1
            for number in range(MOST_NAMES)
        }
        with office.account.ledger.write() as connection:
            in_ledger.note(connection, "town", met, at=office.clock())
    with office.account.ledger.read() as connection:
        assert len(in_ledger.of_account(connection, "town")) == in_ledger.MOST_ROWS


# -- what is shown ---------------------------------------------------------------------------------


def look(office: Office) -> status.Status:
    return status.look(office.account.settings, office.account.ledger, now=office.clock())


def shown(office: Office) -> list[dict[str, Any]]:
    document: Any = status.as_json(look(office))
    rows: list[dict[str, Any]] = document["accounts"][0]["drift"]
    return rows


def test_a_hub_that_keeps_to_its_contract_shows_nothing(office: Office) -> None:
    (hub_id,) = office.served(attachments=True)
    office.drop("a.XML", state_file(annotated(hub_id)))
    office.collect(hub_id)
    push_round(office.account, only_due=False)
    pull_round(office.inbound, only_due=False)
    assert shown(office) == []
    assert "contract" not in status.as_text(look(office))


@pytest.mark.parametrize(
    ("kind", "drift", "name"),
    [
        ("extra", "unknown field", "campNou"),
        ("strange-state", "unknown state", "ARCHIVED"),
        ("strange-code", "unknown error code", "9876"),
    ],
)
def test_drift_is_tolerated_counted_and_shown_once(
    office: Office, kind: str, drift: str, name: str
) -> None:
    (hub_id,) = office.add()
    office.sandbox.book.faults.fail(kind, operation="invoice", times=2)
    for _ in range(3):
        pull_round(office.inbound, only_due=False)
        office.clock.pass_by(minutes=30)
        office.sandbox.book.add_invoice(attachments=False)
    assert office.out_of(hub_id)
    (row,) = [row for row in shown(office) if row["name"] == name]
    assert (row["call"], row["kind"], row["times"]) == ("GET /factura/:id", drift, 2)
    assert row["first_at"] < row["last_at"]
    assert status.as_text(look(office)).count(f"{drift} {name} in 2 answers") == 1


def test_drift_is_noted_of_a_round_that_fails_too(office: Office) -> None:
    office.sandbox.book.faults.fail("strange-code", operation="pending_invoices")
    with pytest.raises(BridgeError):
        pull_round(office.inbound, only_due=False)
    assert [row["name"] for row in shown(office)] == ["9876"]
