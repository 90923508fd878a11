"""The ten operations on the wire: method, path, query, body."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr

import bridge
from bridge.errors import InvoiceError
from bridge.hub import HubClient, HubReader
from bridge.model import HubId, State, StateUpdate
from tests.hub_server import HubServer, Reply, Request, file_reply, json_reply

LISTS = {"factures": [], "adjunts": [], "ens": [], "estats": []}


def friendly(request: Request) -> Reply:
    if request.path.split("?")[0].endswith(("facturae", "rebut")) or "/adjunts/" in request.path:
        return file_reply(b"%PDF-1.7")
    told = json.loads(request.body) if request.method == "PATCH" else {"estat": "ACCEPTED"}
    return json_reply({"id": request.path.split("/")[-1], "estat": told["estat"]} | LISTS)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        server.respond = friendly
        yield server


def test_the_ten_operations_are_the_hubs(hub: HubServer, client: HubClient, tmp_path: Path) -> None:
    one = HubId("12")
    client.pending_invoices()
    client.invoice(one)
    client.facturae(one, tmp_path / "a")
    client.attachment(one, "7", tmp_path / "b")
    client.receipt(one, tmp_path / "c")
    client.history(one)
    client.patch(one, StateUpdate(state=State.ACCEPTED))
    client.pending_attachments()
    client.drop_pending_attachment("7")
    client.entities()
    assert hub.asked == [
        "GET /factures-pendents",
        "GET /factura/12",
        "GET /factura/12/facturae",
        "GET /factura/12/adjunts/7",
        "GET /factura/12/rebut",
        "GET /factura/12/estats",
        "PATCH /factura/12",
        "GET /adjunts-pendents",
        "DELETE /adjunts-pendents/7",
        "GET /ens",
    ]


def test_the_filters_travel_in_the_query(hub: HubServer, client: HubClient) -> None:
    client.pending_invoices(nif="P0800000A")
    client.pending_invoices(accounting_office="L01 080/193&x=1")
    client.pending_attachments("P0800000A", "GE1")
    assert hub.asked == [
        "GET /factures-pendents?nif=P0800000A",
        "GET /factures-pendents?oficinaComptable=L01+080%2F193%26x%3D1",
        "GET /adjunts-pendents?nif=P0800000A&oficinaComptable=GE1",
    ]


@pytest.mark.parametrize(
    ("update", "body"),
    [
        (StateUpdate(state=State.DELIVERED), {"estat": "DELIVERED"}),
        (
            StateUpdate(state=State.ANNOTATED, register_number="2026/1"),
            {"estat": "ANNOTATED", "numeroRegistreRCF": "2026/1"},
        ),
        (
            StateUpdate(state=State.PAID, paid_on=date(2026, 3, 9)),
            {"estat": "PAID", "dataPagament": "2026-03-09"},
        ),
        (
            StateUpdate(state=State.REJECTED, reason_code="R1", reason="Línia «errònia» €"),
            {
                "estat": "REJECTED",
                "codiMotiuRebuig": "R1",
                "descripcioMotiuRebuig": "Línia «errònia» €",
            },
        ),
    ],
)
def test_an_update_is_told_in_the_hubs_words(
    hub: HubServer, client: HubClient, update: StateUpdate, body: dict[str, str]
) -> None:
    client.patch(HubId("1"), update)
    assert json.loads(hub.requests[0].body) == body
    assert hub.requests[0].headers["Content-Type"] == "application/json"


def test_a_request_says_who_we_are_and_wants_bytes_as_they_are(
    hub: HubServer, client: HubClient
) -> None:
    client.entities()
    headers = hub.requests[0].headers
    assert headers["User-Agent"] == f"efact-bridge/{bridge.__version__}"
    assert headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("hostile", "segment"),
    [
        ("1/facturae", "1%2Ffacturae"),
        ("../ens", "..%2Fens"),
        ("1?nif=x", "1%3Fnif%3Dx"),
        ("1#x", "1%23x"),
        ("%2e%2e", "%252e%252e"),
        ("a b", "a%20b"),
        ("1\r\nX-Evil: 1", "1%0D%0AX-Evil%3A%201"),
        ("ñ", "%C3%B1"),
        ("\\..\\", "%5C..%5C"),
        ("...", None),
        ("1;v=2", "1%3Bv%3D2"),
    ],
)
def test_a_hostile_id_stays_one_segment_of_the_path(
    hub: HubServer, client: HubClient, hostile: str, segment: str | None
) -> None:
    hub.respond = lambda _: json_reply({"estat": "ACCEPTED"})
    if segment is None:
        with pytest.raises(InvoiceError):
            client.invoice(HubId(hostile))
        return
    client.invoice(HubId(hostile))
    client.patch(HubId(hostile), StateUpdate(state=State.ACCEPTED))
    client.drop_pending_attachment(hostile)
    assert hub.asked == [
        f"GET /factura/{segment}",
        f"PATCH /factura/{segment}",
        f"DELETE /adjunts-pendents/{segment}",
    ]
    assert "X-Evil" not in hub.requests[0].headers


@pytest.mark.parametrize("hostile", ["", ".", "..", "\ud800", "9" * 5000])
def test_what_cannot_be_an_id_is_never_sent(
    hub: HubServer, client: HubClient, hostile: str
) -> None:
    with pytest.raises(InvoiceError, match="cannot be an id"):
        client.invoice(HubId(hostile))
    with pytest.raises(InvoiceError, match="cannot be an id"):
        client.drop_pending_attachment(hostile)
    assert hub.requests == []


def test_a_reader_has_no_way_to_write() -> None:
    words = {name for name in dir(HubReader) if not name.startswith("_")}
    assert words == {
        "attachment",
        "clock_offset",
        "close",
        "entities",
        "facturae",
        "history",
        "hub_now",
        "invoice",
        "pending_attachments",
        "pending_invoices",
        "receipt",
        "shows_pending_mark",
        "take_drift",
        "use_secret",
    }


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with HubClient(hub.settings(), issuer="i", secret=SecretStr("k" * 32)) as client:
        client.entities()
    assert hub.asked == ["GET /ens"]
