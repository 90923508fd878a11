"""The ten operations of the pretend hub, and the 500 cap, over real HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from bridge.model import State
from bridge.sandbox.server import Sandbox
from tests.ports import free_port
from tests.sandbox_client import Caller, code_of

NO_SUCH = "999"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=6, port=free_port()) as sandbox:
        yield sandbox


@pytest.fixture
def hub(sandbox: Sandbox) -> Iterator[Caller]:
    with Caller(sandbox) as caller:
        yield caller


@pytest.fixture
def one(sandbox: Sandbox) -> str:
    """An invoice without attachments and with nothing missing."""
    return sandbox.book.add_invoice(attachments=False)


def test_the_pending_list_shows_each_invoice_with_its_receiver(
    hub: Caller, sandbox: Sandbox
) -> None:
    answer = hub.get("/factures-pendents").json()
    assert answer["mesFactures"] is False
    assert [row["id"] for row in answer["factures"]] == list(sandbox.book.hub_ids)
    keys = {"id", "nif", "oficinaComptable", "organGestor", "unitatTramitadora"}
    assert set(answer["factures"][0]) == keys


def test_the_pending_list_is_filtered_by_nif_and_by_accounting_office(
    hub: Caller, sandbox: Sandbox
) -> None:
    wanted = sandbox.book.invoice(sandbox.book.hub_ids[0])
    nif, office = wanted.receiver_nif, wanted.accounting_office
    rows = hub.get("/factures-pendents", params={"nif": nif}).json()["factures"]
    assert rows
    assert {row["nif"] for row in rows} == {nif}
    params = {"nif": nif, "oficinaComptable": office}
    rows = hub.get("/factures-pendents", params=params).json()["factures"]
    assert wanted.hub_id in [row["id"] for row in rows]
    assert {row["oficinaComptable"] for row in rows} == {office}


def test_an_unknown_nif_has_no_pending_invoices(hub: Caller) -> None:
    answer = hub.get("/factures-pendents", params={"nif": "P0000000X"}).json()
    assert answer == {"mesFactures": False, "factures": []}


def test_a_list_stops_at_500_rows_and_says_that_there_are_more(
    hub: Caller, sandbox: Sandbox
) -> None:
    sandbox.book.add_invoices(501 - len(sandbox.book.hub_ids))
    first = hub.get("/factures-pendents").json()
    assert first["mesFactures"] is True
    assert len(first["factures"]) == 500
    assert hub.get("/factures-pendents").json() == first  # nothing moves by itself
    assert hub.patch(first["factures"][0]["id"], estat="DELIVERED").status_code == 200
    second = hub.get("/factures-pendents").json()
    assert second["mesFactures"] is False
    assert second["factures"][:499] == first["factures"][1:]
    assert len(second["factures"]) == 500


def test_the_list_of_attachments_has_the_same_cap(hub: Caller, sandbox: Sandbox, one: str) -> None:
    for number in range(501 - len(sandbox.book.pending_attachments)):
        sandbox.book.add_attachment(one, f"{number}.txt", b"x", "text/plain")
    answer = hub.get("/adjunts-pendents").json()
    assert answer["mesAdjunts"] is True
    assert len(answer["adjunts"]) == 500
    hub.call("DELETE", f"/adjunts-pendents/{answer['adjunts'][0]['idAdjunt']}")
    assert hub.get("/adjunts-pendents").json()["mesAdjunts"] is False


@pytest.mark.parametrize(
    ("fields", "stays"),
    [
        ({"estat": "DELIVERED"}, False),
        ({"estat": "ANNOTATED", "numeroRegistreRCF": "2026-1"}, False),
        ({"estat": "RECEIVED"}, True),
        ({"estat": "ACCEPTED"}, True),
        ({"estat": "RECOGNISED"}, True),
        ({"estat": "PAID", "dataPagament": "2026-03-09"}, True),
        ({"estat": "REJECTED", "descripcioMotiuRebuig": "no és nostra"}, True),
    ],
)
def test_only_delivered_and_annotated_take_an_invoice_off_the_list(
    hub: Caller, one: str, fields: dict[str, str], stays: bool
) -> None:
    assert hub.patch(one, **fields).status_code == 200
    rows = hub.get("/factures-pendents").json()["factures"]
    assert (one in [row["id"] for row in rows]) is stays


def test_the_invoice_data_has_the_fields_of_the_hub(hub: Caller, sandbox: Sandbox) -> None:
    known = {
        "id", "numeroFactura", "dataFactura", "importFactura", "nifProveidor", "nomProveidor",
        "nif", "nom", "numeroRegistre", "dataRegistre", "numeroRegistreFACe", "dataRegistreFACe",
        "oficinaComptable", "organGestor", "unitatTramitadora", "estat", "dataEstat", "adjunts",
    }  # fmt: skip
    sandbox.book.add_invoices(30)
    answers = [hub.get(f"/factura/{hub_id}").json() for hub_id in sandbox.book.hub_ids]
    assert set().union(*answers) == known
    assert any("id" not in data and "organGestor" not in data for data in answers)
    assert any("." not in data["dataRegistre"] for data in answers)
    assert any("." in data["dataRegistre"] for data in answers)
    for data, hub_id in zip(answers, sandbox.book.hub_ids, strict=True):
        invoice = sandbox.book.invoice(hub_id)
        assert data["numeroFactura"] == invoice.number
        assert isinstance(data["importFactura"], int | float)
        assert datetime.fromisoformat(data["dataRegistre"]) == invoice.registered_at
        assert datetime.fromisoformat(data["dataRegistre"]).utcoffset() is not None


def test_the_supplier_has_the_other_spelling_if_wanted() -> None:
    with Sandbox(invoices=1, supplier_nif_field="nifProveedor") as sandbox, Caller(sandbox) as hub:
        data = hub.get(f"/factura/{sandbox.book.hub_ids[0]}").json()
        assert "nifProveedor" in data
        assert "nifProveidor" not in data


def test_the_facturae_file_comes_byte_for_byte(hub: Caller, sandbox: Sandbox) -> None:
    hub_id = sandbox.book.add_invoice(facturae=b"<whatever/>\r\n")
    answer = hub.get(f"/factura/{hub_id}/facturae")
    assert answer.headers["content-type"] == "application/xml"
    assert answer.content == b"<whatever/>\r\n"


def test_an_attachment_comes_with_its_own_type(hub: Caller, sandbox: Sandbox, one: str) -> None:
    attachment_id = sandbox.book.add_attachment(one, "../annex.pdf", b"%PDF", "application/pdf")
    assert hub.get(f"/factura/{one}").json()["adjunts"] == [
        {"idAdjunt": attachment_id, "nom": "../annex.pdf"}
    ]
    answer = hub.get(f"/factura/{one}/adjunts/{attachment_id}")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content == b"%PDF"


def test_an_acknowledged_attachment_leaves_both_lists_and_can_still_be_fetched(
    hub: Caller, sandbox: Sandbox, one: str
) -> None:
    attachment_id = sandbox.book.add_attachment(one, "annex.txt", b"x", "text/plain")
    waiting = hub.get("/adjunts-pendents").json()["adjunts"]
    assert {"idAdjunt": attachment_id, "idFactura": one, "nom": "annex.txt"} in waiting
    assert hub.call("DELETE", f"/adjunts-pendents/{attachment_id}").content == b""
    assert attachment_id not in sandbox.book.pending_attachments
    assert hub.get(f"/factura/{one}").json()["adjunts"] == []
    assert hub.get(f"/factura/{one}/adjunts/{attachment_id}").status_code == 200
    again = hub.call("DELETE", f"/adjunts-pendents/{attachment_id}")
    assert code_of(again) == (404, 2002)


def test_fetching_an_attachment_acknowledges_nothing(
    hub: Caller, sandbox: Sandbox, one: str
) -> None:
    attachment_id = sandbox.book.add_attachment(one, "annex.txt", b"x", "text/plain")
    hub.get(f"/factura/{one}/adjunts/{attachment_id}")
    assert attachment_id in sandbox.book.pending_attachments


def test_the_receipt_is_a_pdf(hub: Caller, one: str) -> None:
    answer = hub.get(f"/factura/{one}/rebut")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")


def test_the_history_tells_every_state_with_its_details(hub: Caller, one: str) -> None:
    hub.patch(one, estat="ANNOTATED", numeroRegistreRCF="2026/17")
    hub.patch(one, estat="PAID", dataPagament="2026-03-09")
    states = hub.get(f"/factura/{one}/estats").json()["estats"]
    assert [(row["estat"], row["codiEstat"]) for row in states] == [
        ("SENT", "1000"),
        ("REGISTERED", "1200"),
        ("ANNOTATED", "1400"),
        ("PAID", "2500"),
    ]
    assert {"numeroRegistre", "dataRegistre"} <= set(states[1])
    assert states[2]["numeroRegistreRCF"] == "2026/17"
    assert states[3]["dataPagament"] == "2026-03-09"


def test_an_update_answers_with_the_new_data(hub: Caller, one: str) -> None:
    answer = hub.patch(one, estat="ANNOTATED", numeroRegistreRCF="2026/17", unknown=1)
    assert answer.json() == hub.get(f"/factura/{one}").json()
    assert answer.json()["estat"] == "ANNOTATED"
    assert answer.json()["numeroRegistreRCF"] == "2026/17"
    later = hub.patch(one, estat="RECOGNISED").json()
    assert later["numeroRegistreRCF"] == "2026/17"


def test_a_new_state_bears_the_time_of_the_hubs_clock(
    hub: Caller, sandbox: Sandbox, one: str
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    data = hub.patch(one, estat="DELIVERED").json()
    assert before <= datetime.fromisoformat(data["dataEstat"]) <= datetime.now(UTC)
    assert sandbox.book.states(one)[-1] is State.DELIVERED


def test_the_entities_are_those_of_the_platform(hub: Caller, sandbox: Sandbox) -> None:
    rows = hub.get("/ens").json()["ens"]
    assert {row["nif"] for row in rows} >= {
        sandbox.book.invoice(hub_id).receiver_nif for hub_id in sandbox.book.hub_ids
    }
    assert all(set(row) == {"nif", "nom", "ine10"} for row in rows)
    assert all(len(row["ine10"]) == 10 for row in rows)


def test_the_date_header_tells_the_hubs_clock(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.clock_offset = -7200
    date = parsedate_to_datetime(hub.get("/ens").headers["date"])
    assert abs(date - (datetime.now(UTC) - timedelta(hours=2))) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "path", ["/", "/factura", "/factura/1/res", "/ens/1", "/factura/1/2/3/4/5"]
)
def test_a_path_that_the_hub_does_not_have_is_not_found(hub: Caller, path: str) -> None:
    answer = hub.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_a_method_that_an_operation_does_not_have_is_not_allowed(hub: Caller) -> None:
    assert hub.call("POST", "/ens").status_code == 405


def test_the_journal_tells_every_request_and_what_came_of_it(
    hub: Caller, sandbox: Sandbox, one: str
) -> None:
    hub.patch(one, estat="PAID")
    hub.patch(one, estat="PAID", dataPagament="2026-03-09")
    hub.get("/factures-pendents", params={"nif": "P0000000X"})
    refused, accepted, listed = sandbox.book.journal
    assert (refused.status, refused.code, refused.applied) == (400, 3004, False)
    assert (accepted.status, accepted.code, accepted.applied) == (200, None, True)
    assert (accepted.method, accepted.hub_id, accepted.state) == ("PATCH", one, "PAID")
    assert "2026-03-09" in accepted.body
    assert listed.path == "/rcf/factures-pendents?nif=P0000000X"
    assert sandbox.book.requests(operation="update", state="PAID", applied=True) == (accepted,)


def test_an_answer_can_be_made_slow(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.delay = 0.05
    assert hub.get("/ens").elapsed >= timedelta(seconds=0.04)


def test_it_can_be_stopped_and_started_again_with_its_book(one: str, sandbox: Sandbox) -> None:
    with Caller(sandbox) as hub:
        hub.patch(one, estat="DELIVERED")
    sandbox.stop()
    sandbox.start()
    with Caller(sandbox) as hub:
        assert hub.get(f"/factura/{one}").json()["estat"] == "DELIVERED"
