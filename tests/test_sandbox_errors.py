"""Every error code of the hub's table, and the token checks to the letter."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from bridge.model import State
from bridge.sandbox.codes import CODES
from bridge.sandbox.server import Sandbox
from tests.sandbox_client import Caller, code_of

RECEIVER_STATES: dict[str, dict[str, str]] = {
    "DELIVERED": {},
    "ANNOTATED": {"numeroRegistreRCF": "1"},
    "RECEIVED": {},
    "ACCEPTED": {},
    "RECOGNISED": {},
    "PAID": {"dataPagament": "2026-03-09"},
    "REJECTED": {"descripcioMotiuRebuig": "perquè sí"},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=0) as sandbox:
        yield sandbox


@pytest.fixture
def hub(sandbox: Sandbox) -> Iterator[Caller]:
    with Caller(sandbox) as caller:
        yield caller


@pytest.fixture
def one(sandbox: Sandbox) -> str:
    return sandbox.book.add_invoice()


def unsigned(claims: dict[str, Any], **header: Any) -> str:
    parts = [{"alg": "none", "typ": "JWT"} | header, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
    return (b".".join(encoded) + b".").decode()


NOW = 0
"""Times in `TOKENS` count from the moment at which the token is made, not from the import."""

TOKENS: list[tuple[int, dict[str, Any]]] = [
    (1002, {"iss": None}),
    (1002, {"iss": ""}),
    (1003, {"iss": "hub_9999"}),
    (1003, {"iss": ["hub_0012"]}),
    (1004, {"exp": None}),
    (1005, {"iat": None}),
    (1006, {"nbf": None}),
    (1007, {"aud": None}),
    (1008, {"iat": NOW - 90, "nbf": NOW - 90, "exp": NOW - 30}),
    (1009, {"nbf": NOW + 3600}),
    (1010, {"iat": NOW, "exp": NOW + 301}),
    (1011, {"aud": "altres"}),
    (1011, {"aud": ["efact"]}),
    (1004, {"exp": "aviat"}),
    (1005, {"iat": True}),
    (1011, {"aud": ["efact"]}),
    (1012, {"secret": "x" * 64}),
]


@pytest.mark.parametrize(("code", "changes"), TOKENS)
def test_a_wrong_token_is_refused_with_its_code(
    hub: Caller, code: int, changes: dict[str, Any]
) -> None:
    now = int(time.time())
    changes = {key: now + it if type(it) is int else it for key, it in changes.items()}
    token = hub.token(**changes)
    assert code_of(hub.get("/ens", authorization=f"Bearer {token}")) == (401, code)


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Basic aHViOmh1Yg==", "Bearer a.b.c", "Bearer no-token"],
)
def test_what_is_no_token_counts_as_none(hub: Caller, header: str | None) -> None:
    assert code_of(hub.get("/ens", authorization=header)) == (401, 1001)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_only_hs256_is_accepted(hub: Caller, algorithm: str) -> None:
    claims = jwt.decode(hub.token(), options={"verify_signature": False})
    token = jwt.encode(claims, hub.sandbox.secret, algorithm)
    assert code_of(hub.get("/ens", authorization=f"Bearer {token}")) == (401, 1012)


def test_an_unsigned_token_is_refused(hub: Caller) -> None:
    claims = jwt.decode(hub.token(), options={"verify_signature": False})
    assert code_of(hub.get("/ens", authorization=f"Bearer {unsigned(claims)}")) == (401, 1012)


def test_a_token_may_live_300_seconds(hub: Caller) -> None:
    now = int(time.time())
    token = hub.token(iat=now, nbf=now, exp=now + 300)
    assert hub.get("/ens", authorization=f"Bearer {token}").status_code == 200


def test_a_clock_that_is_off_makes_a_fresh_token_expired_or_early() -> None:
    with Sandbox(invoices=0) as sandbox, Caller(sandbox) as hub:
        sandbox.book.clock_offset = 600
        assert code_of(hub.get("/ens")) == (401, 1008)
        sandbox.book.clock_offset = -600
        assert code_of(hub.get("/ens")) == (401, 1009)


OPERATIONS = [
    ("GET", "/factures-pendents"),
    ("GET", "/factura/1"),
    ("GET", "/factura/1/facturae"),
    ("GET", "/factura/1/adjunts/1"),
    ("GET", "/factura/1/rebut"),
    ("GET", "/factura/1/estats"),
    ("PATCH", "/factura/1"),
    ("GET", "/adjunts-pendents"),
    ("DELETE", "/adjunts-pendents/1"),
    ("GET", "/ens"),
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_wants_a_token(hub: Caller, method: str, path: str) -> None:
    assert code_of(hub.call(method, path, authorization=None)) == (401, 1001)


@pytest.mark.parametrize(("method", "path"), [row for row in OPERATIONS if "/factura/" in row[1]])
def test_an_invoice_that_is_not_there_is_2001(hub: Caller, method: str, path: str) -> None:
    assert code_of(hub.call(method, path)) == (404, 2001)


def test_an_attachment_that_is_not_there_is_2002(hub: Caller, sandbox: Sandbox, one: str) -> None:
    other = sandbox.book.add_invoice()
    elsewhere = sandbox.book.add_attachment(other, "a.txt", b"x")
    assert code_of(hub.get(f"/factura/{one}/adjunts/{elsewhere}")) == (404, 2002)
    assert code_of(hub.call("DELETE", "/adjunts-pendents/1")) == (404, 2002)


def test_an_invoice_without_history_is_2003(hub: Caller, sandbox: Sandbox) -> None:
    hub_id = sandbox.book.add_invoice(history=False)
    assert code_of(hub.get(f"/factura/{hub_id}/estats")) == (404, 2003)


def test_a_receipt_that_cannot_be_made_is_9002(hub: Caller, sandbox: Sandbox) -> None:
    hub_id = sandbox.book.add_invoice(receipt=False)
    assert code_of(hub.get(f"/factura/{hub_id}/rebut")) == (500, 9002)


UPDATES: list[tuple[int, dict[str, Any]]] = [
    (3001, {}),
    (3001, {"estat": None}),
    (3001, {"estat": 1400}),
    (3001, {"estat": "annotated"}),
    (3001, {"estat": "VALIDATED"}),
    (3001, {"estat": "CANCELED"}),
    (3001, {"estat": "SENT"}),
    (3001, {"estat": "REGISTERED"}),
    (3002, {"estat": "ANNOTATED"}),
    (3002, {"estat": "ANNOTATED", "numeroRegistreRCF": "  "}),
    (3003, {"estat": "REJECTED"}),
    (3003, {"estat": "REJECTED", "codiMotiuRebuig": "1", "descripcioMotiuRebuig": ""}),
    (3004, {"estat": "PAID"}),
    (3004, {"estat": "PAID", "dataPagament": None}),
    (3006, {"estat": "PAID", "dataPagament": "09/03/2026"}),
    (3006, {"estat": "PAID", "dataPagament": "2026-02-30"}),
    (3006, {"estat": "PAID", "dataPagament": "2026-03-09T00:00:00"}),
    (3006, {"estat": "PAID", "dataPagament": 20260309}),
    (3008, {"estat": "RECEIVED", "codiMotiuRebuig": "1"}),
    (3008, {"estat": "RECEIVED", "descripcioMotiuRebuig": "text"}),
    (3008, {"estat": "PAID", "dataPagament": "2026-03-09", "descripcioMotiuRebuig": "text"}),
]


@pytest.mark.parametrize(("code", "fields"), UPDATES)
def test_a_wrong_update_is_refused_and_changes_nothing(
    hub: Caller, sandbox: Sandbox, one: str, code: int, fields: dict[str, Any]
) -> None:
    before = sandbox.book.held(one)
    assert code_of(hub.patch(one, **fields)) == (400, code)
    assert sandbox.book.held(one) is before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"PAID"', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_3001(hub: Caller, one: str, body: bytes) -> None:
    assert code_of(hub.call("PATCH", f"/factura/{one}", content=body)) == (400, 3001)


def test_a_field_that_is_null_counts_as_not_sent(hub: Caller, one: str) -> None:
    answer = hub.patch(one, estat="RECEIVED", codiMotiuRebuig=None, descripcioMotiuRebuig=None)
    assert answer.status_code == 200


@pytest.mark.parametrize("state", RECEIVER_STATES)
def test_an_unregistered_invoice_takes_no_update(hub: Caller, sandbox: Sandbox, state: str) -> None:
    hub_id = sandbox.book.add_invoice(registered=False)
    fields = {"estat": state} | RECEIVER_STATES[state]
    assert code_of(hub.patch(hub_id, **fields)) == (400, 3005)
    sandbox.book.register(hub_id, "E/1-2026")
    assert hub.patch(hub_id, **fields).status_code == 200


@pytest.mark.parametrize("final", ["PAID", "REJECTED"])
@pytest.mark.parametrize("state", RECEIVER_STATES)
def test_a_final_state_accepts_no_change(hub: Caller, one: str, final: str, state: str) -> None:
    assert hub.patch(one, estat=final, **RECEIVER_STATES[final]).status_code == 200
    answer = hub.patch(one, estat=state, **RECEIVER_STATES[state])
    assert code_of(answer) == (400, 3007)


@pytest.mark.parametrize("state", sorted(RECEIVER_STATES.keys() - {"PAID", "REJECTED"}))
def test_a_state_may_be_set_again_and_adds_to_the_history(
    hub: Caller, sandbox: Sandbox, one: str, state: str
) -> None:
    for _ in range(2):
        assert hub.patch(one, estat=state, **RECEIVER_STATES[state]).status_code == 200
    assert sandbox.book.states(one)[-2:] == (State(state), State(state))


@pytest.mark.parametrize("state", [state for state in RECEIVER_STATES if state != "REJECTED"])
def test_an_invoice_can_be_rejected_from_any_state_but_paid(
    hub: Caller, one: str, state: str
) -> None:
    hub.patch(one, estat=state, **RECEIVER_STATES[state])
    answer = hub.patch(one, estat="REJECTED", descripcioMotiuRebuig="massa car")
    assert answer.status_code == (400 if state == "PAID" else 200)


def test_a_step_back_is_allowed_by_default(hub: Caller, one: str) -> None:
    hub.patch(one, estat="RECOGNISED")
    assert hub.patch(one, estat="RECEIVED").status_code == 200


def test_a_step_back_is_3007_where_it_is_forbidden() -> None:
    with Sandbox(invoices=1, allow_step_back=False) as sandbox, Caller(sandbox) as hub:
        (one,) = sandbox.book.hub_ids
        assert hub.patch(one, estat="RECOGNISED").status_code == 200
        assert code_of(hub.patch(one, estat="RECEIVED")) == (400, 3007)
        assert hub.patch(one, estat="RECOGNISED").status_code == 200
        assert hub.patch(one, estat="REJECTED", descripcioMotiuRebuig="no").status_code == 200


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_the_table_can_be_had_on_request(
    hub: Caller, sandbox: Sandbox, one: str, code: int
) -> None:
    sandbox.book.faults.fail(hub_id=one, code=code)
    assert code_of(hub.get(f"/factura/{one}")) == (CODES[code][0], code)
    assert hub.get(f"/factura/{one}").status_code == 200
