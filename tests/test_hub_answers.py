"""What the hub answers, read with tolerance but without guesses."""

import json
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import HubAwayError, InvoiceError
from bridge.hub import HubClient, UnclearAnswerError, answers, fields
from bridge.model import Attachment, DriftKind, Entity, HubId, PendingInvoice, State, StateUpdate
from tests.hub_server import HubServer, Reply, json_reply

ONE = HubId("1")
CEST = timezone(timedelta(hours=2))
ACCEPT = StateUpdate(state=State.ACCEPTED)


FULL = {
    "id": "1",
    "numeroFactura": "F-26/7",
    "dataFactura": "2026-02-03",
    "importFactura": 1234.10,
    "nifProveidor": "B12345674",
    "nomProveidor": "Proveïdor, SL",
    "nif": "P0801900B",
    "nom": "Ajuntament",
    "numeroRegistre": "E/1",
    "dataRegistre": "2026-02-03T16:25:02.000+02:00",
    "numeroRegistreRCF": "RCF/9",
    "numeroRegistreFACe": "FACe-3",
    "dataRegistreFACe": "2026-02-03T16:25:02Z",
    "oficinaComptable": "L01080193",
    "organGestor": "L01080194",
    "unitatTramitadora": "L01080195",
    "estat": "REJECTED",
    "dataEstat": "2026-02-04T01:02:03+02:00",
    "codiMotiuRebuig": "7",
    "descripcioMotiuRebuig": "No és nostra",
    "dataPagament": "2026-03-09",
    "adjunts": [{"idAdjunt": "71", "nom": "../annex.pdf"}],
    "camp_nou": {"x": [1]},
}


def test_every_field_of_an_invoice_is_read(hub: HubServer, client: HubClient) -> None:
    hub.says(Reply(body=json.dumps(FULL).replace("1234.1", "1234.10").encode()))
    invoice = client.invoice(ONE)
    assert str(invoice.amount) == "1234.10"
    assert invoice.number == "F-26/7"
    assert invoice.issue_date == date(2026, 2, 3)
    assert (invoice.supplier_nif, invoice.supplier_name) == ("B12345674", "Proveïdor, SL")
    assert (invoice.receiver_nif, invoice.receiver_name) == ("P0801900B", "Ajuntament")
    assert invoice.registration_number == "E/1"
    assert invoice.registered_at == datetime(2026, 2, 3, 16, 25, 2, tzinfo=CEST)
    assert invoice.register_number == "RCF/9"
    assert invoice.face_registration_number == "FACe-3"
    assert invoice.face_registered_at == datetime(2026, 2, 3, 16, 25, 2, tzinfo=UTC)
    assert invoice.accounting_office == "L01080193"
    assert invoice.managing_body == "L01080194"
    assert invoice.processing_unit == "L01080195"
    assert (invoice.state, invoice.state_text) == (State.REJECTED, "REJECTED")
    assert invoice.state_at == datetime(2026, 2, 4, 1, 2, 3, tzinfo=CEST)
    assert (invoice.reason_code, invoice.reason) == ("7", "No és nostra")
    assert invoice.paid_on == date(2026, 3, 9)
    assert invoice.attachments == (Attachment(attachment_id="71", name="../annex.pdf"),)


@pytest.mark.parametrize("name", ["nifProveidor", "nifProveedor"])
def test_the_suppliers_nif_has_two_spellings(hub: HubServer, client: HubClient, name: str) -> None:
    hub.says(json_reply({name: "B1", "estat": "SENT"}))
    assert client.invoice(ONE).supplier_nif == "B1"


def test_an_invoice_without_its_id_is_the_one_asked_for(hub: HubServer, client: HubClient) -> None:
    hub.says(json_reply({"numeroFactura": "F1"}))
    invoice = client.invoice(ONE)
    assert invoice.hub_id == "1"
    assert invoice.state is None
    assert invoice.attachments == ()


def test_another_invoices_data_are_not_taken(hub: HubServer, client: HubClient) -> None:
    hub.says(json_reply(FULL | {"id": "2"}), json_reply(FULL | {"id": "2"}))
    with pytest.raises(InvoiceError, match="about invoice '2'"):
        client.invoice(ONE)
    with pytest.raises(UnclearAnswerError, match="about invoice '2'"):
        client.patch(ONE, ACCEPT)


def test_a_number_in_quotes_and_a_text_that_is_a_number_are_read() -> None:
    row = {"id": 17, "importFactura": "0.10", "numeroFactura": 2026, "estat": " paid "}
    invoice, _ = answers.invoice(row, HubId("17"))
    assert invoice.amount == Decimal("0.10")
    assert invoice.number == "2026"
    assert invoice.state is State.PAID


@pytest.mark.parametrize(
    "odd", [None, True, [], {}, "", " ", "NaN", "Infinity", "1e999999", "1.234,56", "abc"]
)
def test_an_amount_that_is_none_is_missing(odd: object) -> None:
    assert fields.amount({"importFactura": odd}, "importFactura") is None


def test_an_amount_in_json_is_exact_and_bounded() -> None:
    row = fields.read_object(b'{"a": 0.1, "b": 1e999999999, "c": NaN, "d": -12, "e": 1E+2}')
    amounts = [fields.amount(row, name) for name in "abcde"]
    assert amounts == [Decimal("0.1"), None, None, Decimal(-12), Decimal(100)]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-10-25T16:25:02.000+02:00", datetime(2023, 10, 25, 16, 25, 2, tzinfo=CEST)),
        ("2023-10-25T16:25:02+02:00", datetime(2023, 10, 25, 16, 25, 2, tzinfo=CEST)),
        ("2023-10-25T16:25:02+0200", datetime(2023, 10, 25, 16, 25, 2, tzinfo=CEST)),
        ("2023-10-25T14:25:02Z", datetime(2023, 10, 25, 14, 25, 2, tzinfo=UTC)),
        ("2023-10-25T16:25:02", datetime(2023, 10, 25, 16, 25, 2, tzinfo=CEST)),
        ("2023-10-25T16:25:02.5", datetime(2023, 10, 25, 16, 25, 2, 500_000, tzinfo=CEST)),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-11:00", None),
        ("25/10/2023", None),
        ("", None),
        (1698250000000, None),
        (None, None),
        ([], None),
    ],
)
def test_a_time_is_read_in_the_forms_that_the_hub_uses(
    text: object, moment: datetime | None
) -> None:
    read = fields.moment({"dataEstat": text}, "dataEstat")
    assert read == moment
    assert read is None or read.utcoffset() is not None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-02-03", date(2026, 2, 3)),
        ("2026-02-03T10:00:00+01:00", date(2026, 2, 3)),
        ("2026-02-30", None),
        ("0000-00-00", None),
        ("03-02-2026", None),
        (20260203.5, None),
    ],
)
def test_a_date_is_read_or_missing(text: object, day: date | None) -> None:
    assert fields.day({"d": text}, "d") == day


def test_an_unknown_state_keeps_the_hubs_word(hub: HubServer, client: HubClient) -> None:
    hub.says(json_reply({"estat": "ARCHIVED"}))
    invoice = client.invoice(ONE)
    assert (invoice.state, invoice.state_text) == (None, "ARCHIVED")


def test_texts_lose_what_no_database_takes() -> None:
    row = fields.read_object(b'{"nom": " a\\u0000b\\ud800c "}')
    assert fields.text(row, "nom") == "ab?c"


def test_an_answer_in_latin_1_is_read(hub: HubServer, client: HubClient) -> None:
    body = '{"estat": "SENT", "nomProveidor": "Ñandú"}'.encode("latin-1")
    kind = "application/json;charset=ISO-8859-1"
    hub.says(Reply(body=body, headers={"Content-Type": kind}), Reply(body=body))
    assert client.invoice(ONE).supplier_name == "Ñandú"
    assert client.invoice(ONE).supplier_name == "Ñandú"


def test_a_pending_row_is_read(hub: HubServer, client: HubClient) -> None:
    row = {"id": 5, "nif": "P1", "oficinaComptable": "O", "organGestor": None, "altres": 1}
    hub.says(json_reply({"mesFactures": False, "factures": [row]}))
    pending = client.pending_invoices()
    assert pending.rows == (PendingInvoice(hub_id=HubId("5"), nif="P1", accounting_office="O"),)
    assert not pending.capped


@pytest.mark.parametrize(
    ("more", "rows", "capped"),
    [
        (True, 1, True),
        ("true", 1, True),
        (1, 1, True),
        (False, 500, False),
        ("false", 500, False),
        (None, 500, True),
        ("?", 500, True),
        (None, 499, False),
    ],
)
def test_a_list_is_capped_when_the_hub_says_so_or_says_nothing_at_500(
    hub: HubServer, client: HubClient, more: object, rows: int, capped: bool
) -> None:
    hub.says(
        json_reply({"mesFactures": more, "factures": [{"id": str(n)} for n in range(rows)]}),
        json_reply(
            {
                "mesAdjunts": more,
                "adjunts": [{"idAdjunt": str(n), "idFactura": "1"} for n in range(rows)],
            }
        ),
    )
    assert client.pending_invoices().capped is capped
    assert client.pending_attachments().capped is capped


def test_rows_without_an_id_are_skipped_and_said_once(hub: HubServer, client: HubClient) -> None:
    rows = [{"id": "1"}, {"nif": "P1"}, None, "x", {"id": ""}, {"id": "2"}]
    answer = json_reply({"factures": rows})
    hub.says(answer, answer)
    with structlog.testing.capture_logs() as logs:
        listed = [client.pending_invoices(), client.pending_invoices()]
    assert [[row.hub_id for row in one.rows] for one in listed] == [["1", "2"]] * 2
    assert [entry["rows"] for entry in logs] == [4]


def test_rows_of_which_none_can_be_read_are_no_empty_list(
    hub: HubServer, client: HubClient
) -> None:
    hub.says(json_reply({"factures": [{"ID": "1"}]}), json_reply({"adjunts": [{"idAdjunt": "1"}]}))
    with pytest.raises(HubAwayError, match="not one of its 1 rows"):
        client.pending_invoices()
    with pytest.raises(HubAwayError, match="not one of its 1 rows"):
        client.pending_attachments()


def test_an_empty_list_is_empty(hub: HubServer, client: HubClient) -> None:
    hub.says(json_reply({"factures": [], "mesFactures": False}))
    assert client.pending_invoices().rows == ()


@pytest.mark.parametrize("answer", [{"mesFactures": False, "factures": None}, {"factures": None}])
def test_a_null_list_is_no_empty_list(
    hub: HubServer, client: HubClient, answer: dict[str, object]
) -> None:
    hub.says(json_reply(answer))
    with pytest.raises(HubAwayError, match="it has no 'factures'"):
        client.pending_invoices()
    assert DriftKind.MISSING_FIELD in {drift.kind for drift in client.take_drift()}


@pytest.mark.parametrize("odd", [None, {}, "no", [None, 3, {"nom": "x"}]])
def test_odd_attachments_do_not_spoil_the_invoice(odd: object) -> None:
    invoice, _ = answers.invoice({"id": "1", "adjunts": odd}, ONE)
    assert invoice.attachments == ()


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"message": "hi"}', b"3"])
def test_json_that_is_no_invoice_is_that_invoices_trouble(
    hub: HubServer, client: HubClient, body: bytes
) -> None:
    hub.says(Reply(body=body))
    with pytest.raises(InvoiceError, match="invoice 1"):
        client.invoice(ONE)


def test_a_history_is_read_in_the_hubs_order(hub: HubServer, client: HubClient) -> None:
    hub.says(
        json_reply(
            {
                "estats": [
                    {"estat": "REGISTERED", "codiEstat": "1200", "numeroRegistre": "E/1"},
                    {"estat": "PAID", "codiEstat": 2500, "dataPagament": "2026-01-02"},
                    {"estat": "NOU"},
                ]
            }
        )
    )
    first, second, third = client.history(ONE)
    assert (first.state, first.registration_number) == (State.REGISTERED, "E/1")
    assert (second.technical_code, second.paid_on) == ("2500", date(2026, 1, 2))
    assert (third.state, third.state_text) == (None, "NOU")


def test_a_history_without_its_list_is_no_empty_history(hub: HubServer, client: HubClient) -> None:
    hub.says(json_reply({"states": []}))
    with pytest.raises(InvoiceError, match="has no 'estats'"):
        client.history(ONE)


def test_entities_are_read(hub: HubServer, client: HubClient) -> None:
    hub.says(json_reply({"ens": [{"nif": "P1", "nom": "Vic", "ine10": "0801900000"}, {}]}))
    assert client.entities() == (Entity(nif="P1", name="Vic", ine10="0801900000"),)


def test_a_patch_returns_the_invoice_as_it_is_now(hub: HubServer, client: HubClient) -> None:
    hub.says(json_reply({"id": "1", "estat": "ACCEPTED"}))
    invoice = client.patch(ONE, ACCEPT)
    assert invoice is not None
    assert invoice.state is State.ACCEPTED


@pytest.mark.parametrize(
    "body", [b"", b" ", b"{}", b"[]", b"null", b'"ok"', b'{"id": "1", "estat": "REGISTERED"}']
)
def test_a_success_that_does_not_show_the_new_state_leaves_a_patch_unclear(
    hub: HubServer, client: HubClient, body: bytes
) -> None:
    hub.says(Reply(body=body))
    with pytest.raises(UnclearAnswerError):
        client.patch(ONE, ACCEPT)


@pytest.mark.parametrize("body", [b"<html>login</html>", b"OK", b'{"id": "1", "est'])
def test_a_success_that_is_not_the_hubs_leaves_a_patch_unclear(
    hub: HubServer, client: HubClient, body: bytes
) -> None:
    hub.says(Reply(body=body))
    with pytest.raises(UnclearAnswerError):
        client.patch(ONE, ACCEPT)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_delete_needs_no_body(hub: HubServer, client: HubClient, status: int) -> None:
    hub.says(Reply(status=status))
    client.drop_pending_attachment("7")


def test_a_page_instead_of_a_success_leaves_a_delete_unclear(
    hub: HubServer, client: HubClient
) -> None:
    hub.says(Reply(body=b"\n <html>login</html>"))
    with pytest.raises(UnclearAnswerError):
        client.drop_pending_attachment("7")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from([*FULL, "factures", "estats", "idAdjunt", "idFactura", "nom"])


@given(st.dictionaries(NAMES, JSON))
def test_whatever_the_hub_answers_is_read_or_named(value: dict[str, object]) -> None:
    row = fields.read_object(json.dumps(value).encode())
    for read in (answers.pending_invoice, answers.pending_attachment, answers.state_record):
        read(row)
    with suppress(fields.NotAnAnswerError):
        answers.invoice(row, ONE)
    with suppress(fields.NotAnAnswerError):
        answers.read_rows(row, "factures", answers.pending_invoice)


@given(st.binary(max_size=200) | st.just(b"[" * 100_000) | st.just(b"9" * 10_000))
def test_any_bytes_are_json_or_named(body: bytes) -> None:
    with suppress(fields.NotJsonError):
        fields.read_json(body)


@pytest.mark.parametrize(
    ("enclosed", "shown"),
    [
        ({"adjunts": [{"idAdjunt": "7", "nom": "a.pdf"}]}, True),
        ({"adjunts": [{"idAdjunt": 8}]}, False),
        ({"adjunts": []}, False),
        ({"adjunts": None}, None),
        ({}, None),
    ],
)
def test_only_a_list_of_attachments_tells_whether_one_is_still_pending(
    hub: HubServer, client: HubClient, enclosed: dict[str, object], *, shown: bool | None
) -> None:
    hub.says(json_reply({"id": "1", "estat": "SENT", **enclosed}))
    assert client.shows_pending_mark(HubId("1"), "7") is shown
