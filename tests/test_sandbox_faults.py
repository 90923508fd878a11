"""Faults made on purpose, and the control interface that asks for them from outside."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from bridge.model import State
from bridge.sandbox.faults import Faults
from bridge.sandbox.server import Sandbox
from tests.door_rig import wait_until
from tests.sandbox_client import Caller, code_of


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=2) as sandbox:
        yield sandbox


@pytest.fixture
def hub(sandbox: Sandbox) -> Iterator[Caller]:
    with Caller(sandbox) as caller:
        yield caller


@pytest.fixture
def one(sandbox: Sandbox) -> str:
    return sandbox.book.hub_ids[0]


def test_a_fault_strikes_as_often_as_it_was_asked_to(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.faults.fail(code=9001, times=2)
    assert [hub.get("/ens").status_code for _ in range(3)] == [500, 500, 200]


def test_a_fault_for_ever_strikes_until_it_is_cleared(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.faults.fail(code=9999, times=None)
    assert [code_of(hub.get("/ens")) for _ in range(5)] == [(500, 9999)] * 5
    sandbox.book.faults.clear()
    assert hub.get("/ens").status_code == 200


def test_a_fault_strikes_only_what_it_fits(hub: Caller, sandbox: Sandbox, one: str) -> None:
    other = sandbox.book.hub_ids[1]
    fault = {"operation": "update", "hub_id": one, "state": "ANNOTATED"}
    sandbox.book.faults.fail(code=9999, **fault)
    assert hub.get(f"/factura/{one}").status_code == 200
    assert hub.patch(other, estat="ANNOTATED", numeroRegistreRCF="1").status_code == 200
    assert hub.patch(one, estat="DELIVERED").status_code == 200
    assert hub.patch(one, estat="ANNOTATED", numeroRegistreRCF="1").status_code == 500


def test_a_fault_can_let_some_requests_through_first(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.faults.fail(code=9999, skip=2)
    assert [hub.get("/ens").status_code for _ in range(4)] == [200, 200, 500, 200]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_proxy_answers_with_a_page(hub: Caller, sandbox: Sandbox, status: int) -> None:
    sandbox.book.faults.fail(html=True, status=status)
    answer = hub.get("/ens")
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "text/html; charset=utf-8",
    )
    assert answer.text.startswith("<!DOCTYPE html>")


def test_a_status_alone_means_a_page(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.faults.fail(status=502)
    assert hub.get("/ens").headers["content-type"].startswith("text/html")


def test_an_answer_can_be_empty(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.faults.fail("empty", status=500)
    assert (hub.get("/ens").status_code, sandbox.book.journal[-1].fault) == (500, "empty")


def test_a_busy_hub_says_when_to_come_back(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.faults.fail("busy", seconds=7)
    answer = hub.get("/ens")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


def test_a_hub_that_hangs_answers_late(hub: Caller, sandbox: Sandbox) -> None:
    sandbox.book.faults.fail("hang", seconds=0.1)
    answer = hub.get("/ens")
    assert answer.status_code == 200
    assert answer.elapsed >= timedelta(seconds=0.09)


def test_a_caller_that_gives_up_on_a_hanging_hub_changed_nothing(
    hub: Caller, sandbox: Sandbox, one: str
) -> None:
    sandbox.book.faults.fail("hang", operation="update", seconds=60)
    with pytest.raises(httpx.ReadTimeout):
        hub.call("PATCH", f"/factura/{one}", json={"estat": "DELIVERED"}, timeout=0.1)
    wait_until(lambda: sandbox.book.journal, "the hub knows that the caller has gone")
    assert hub.get(f"/factura/{one}").json()["estat"] == "REGISTERED"


def test_a_hub_that_hangs_may_have_done_its_work(hub: Caller, sandbox: Sandbox, one: str) -> None:
    sandbox.book.faults.fail("hang", operation="update", seconds=60, applied=True)
    with pytest.raises(httpx.ReadTimeout):
        hub.call("PATCH", f"/factura/{one}", json={"estat": "DELIVERED"}, timeout=0.1)
    wait_until(lambda: sandbox.book.journal, "the hub knows that the caller has gone")
    assert hub.get(f"/factura/{one}").json()["estat"] == "DELIVERED"


def test_the_hub_stops_though_it_hangs(sandbox: Sandbox) -> None:
    sandbox.book.faults.fail("hang", seconds=3600)
    with Caller(sandbox) as hub:
        with pytest.raises(httpx.ReadTimeout):
            hub.get("/ens", timeout=0.05)
        wait_until(lambda: not sandbox.book.faults.waiting, "the hub has been asked")
        sandbox.stop()
        with pytest.raises(httpx.ConnectError):
            hub.get("/ens")


def test_a_dripping_answer_is_whole_in_the_end(hub: Caller, sandbox: Sandbox, one: str) -> None:
    sandbox.book.faults.fail("drip", seconds=0.1)
    answer = hub.get(f"/factura/{one}/facturae")
    assert answer.content == sandbox.book.held(one).facturae()


def test_a_connection_can_be_reset_before_an_answer(
    hub: Caller, sandbox: Sandbox, one: str
) -> None:
    sandbox.book.faults.fail("reset")
    with pytest.raises(httpx.ReadError):
        hub.patch(one, estat="DELIVERED")
    (request,) = sandbox.book.journal
    assert (request.status, request.applied, request.fault) == (0, False, "reset")
    assert sandbox.book.states(one)[-1] is State.REGISTERED


def test_a_patch_can_be_applied_and_its_answer_dropped(
    hub: Caller, sandbox: Sandbox, one: str
) -> None:
    sandbox.book.faults.fail("reset", applied=True)
    with pytest.raises(httpx.ReadError):
        hub.patch(one, estat="DELIVERED")
    (request,) = sandbox.book.journal
    assert (request.status, request.applied) == (0, True)
    assert sandbox.book.states(one)[-1] is State.DELIVERED


def test_a_patch_can_be_applied_and_answered_with_500(
    hub: Caller, sandbox: Sandbox, one: str
) -> None:
    sandbox.book.faults.fail(operation="update", code=9999, applied=True)
    assert code_of(hub.patch(one, estat="DELIVERED")) == (500, 9999)
    assert sandbox.book.states(one)[-1] is State.DELIVERED
    assert sandbox.book.journal[-1].applied


def test_a_refused_update_is_not_applied_whatever_the_fault(
    hub: Caller, sandbox: Sandbox, one: str
) -> None:
    sandbox.book.faults.fail(code=9999, applied=True)
    hub.patch(one, estat="PAID")
    assert not sandbox.book.journal[-1].applied


def test_an_attachment_can_be_acknowledged_and_the_answer_dropped(
    hub: Caller, sandbox: Sandbox, one: str
) -> None:
    attachment_id = sandbox.book.add_attachment(one, "a.txt", b"x")
    sandbox.book.faults.fail("reset", operation="acknowledge_attachment", applied=True)
    with pytest.raises(httpx.ReadError):
        hub.call("DELETE", f"/adjunts-pendents/{attachment_id}")
    assert attachment_id not in sandbox.book.pending_attachments


def test_a_body_can_be_cut(hub: Caller, sandbox: Sandbox, one: str) -> None:
    sandbox.book.faults.fail("cut", operation="facturae")
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        hub.get(f"/factura/{one}/facturae")
    assert hub.get(f"/factura/{one}/facturae").status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"code": 1}, {"status": 42}, {"times": 0}, {"kind": "earthquake"}]
)
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\d|earthquake"):
        Faults().fail(**wrong)


# The control interface


def test_the_state_of_the_hub_can_be_read(hub: Caller, sandbox: Sandbox, one: str) -> None:
    hub.patch(one, estat="DELIVERED")
    state = hub.control("GET", "/state").json()
    assert (state["invoices"], state["pending"], state["requests"]) == (2, 1, 1)


def test_the_journal_can_be_read_filtered_and_forgotten(
    hub: Caller, sandbox: Sandbox, one: str
) -> None:
    hub.get("/ens")
    hub.patch(one, estat="DELIVERED")
    rows = hub.control("GET", "/journal").json()["requests"]
    assert [row["operation"] for row in rows] == ["entities", "update"]
    params = {"operation": "update", "hub_id": one, "state": "DELIVERED", "status": 200}
    assert len(hub.control("GET", "/journal", params=params).json()["requests"]) == 1
    assert hub.control("DELETE", "/journal").status_code == 204
    assert hub.control("GET", "/journal").json() == {"requests": []}


def test_invoices_can_be_added_and_are_those_that_the_seed_brings_next(hub: Caller) -> None:
    answer = hub.control("POST", "/invoices", json={"count": 3})
    assert answer.status_code == 201
    assert answer.json()["ids"] == list(Sandbox(invoices=5).book.hub_ids[2:])
    rows = hub.control("GET", "/invoices").json()["invoices"]
    assert [row["id"] for row in rows][2:] == answer.json()["ids"]
    assert rows[0]["states"] == ["SENT", "REGISTERED"]


def test_an_invoice_can_be_added_with_a_file_and_a_lack(hub: Caller) -> None:
    fields = {"facturae": base64.b64encode(b"<a/>").decode(), "receipt": False}
    (hub_id,) = hub.control("POST", "/invoices", json=fields).json()["ids"]
    assert hub.get(f"/factura/{hub_id}/facturae").content == b"<a/>"
    assert code_of(hub.get(f"/factura/{hub_id}/rebut")) == (500, 9002)


def test_an_attachment_can_be_added_later(hub: Caller, one: str) -> None:
    fields = {"name": "a/b.txt", "content": base64.b64encode(b"x").decode()}
    answer = hub.control("POST", f"/invoices/{one}/attachments", json=fields).json()
    assert hub.get(f"/factura/{one}/adjunts/{answer['id']}").content == b"x"


def test_the_hub_can_reject_an_invoice_itself(hub: Caller, one: str) -> None:
    fields = {"state": "REJECTED", "reason": "duplicada"}
    assert hub.control("POST", f"/invoices/{one}/state", json=fields).status_code == 204
    assert hub.get(f"/factura/{one}").json()["descripcioMotiuRebuig"] == "duplicada"


def test_faults_can_be_made_listed_and_cleared(hub: Caller, one: str) -> None:
    fields = {"kind": "error", "hub_id": one, "code": 9001, "times": "forever"}
    answer = hub.control("POST", "/faults", json=fields)
    assert answer.status_code == 201
    assert hub.control("GET", "/faults").json() == {"faults": [answer.json()]}
    assert code_of(hub.get(f"/factura/{one}")) == (500, 9001)
    assert hub.control("DELETE", "/faults").status_code == 204
    assert hub.get(f"/factura/{one}").status_code == 200


def test_clock_and_delay_can_be_set(hub: Caller, sandbox: Sandbox) -> None:
    assert hub.control("POST", "/clock", json={"offset": -600}).json()["offset"] == -600
    assert code_of(hub.get("/ens")) == (401, 1009)
    hub.control("POST", "/clock", json={"offset": 0, "delay": 0.01})
    assert (sandbox.book.clock_offset, sandbox.book.delay) == (0, 0.01)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/faults", {"kind": "earthquake"}),
        ("/faults", {"wrong": 1}),
        ("/faults", []),
        ("/invoices", {"count": "many"}),
        ("/invoices", {"colour": "red"}),
        ("/invoices", {"facturae": "no base64!"}),
        ("/clock", {"offset": "late"}),
        ("/clock", {"hour": 3}),
    ],
)
def test_a_wrong_request_is_answered_with_the_reason(
    hub: Caller, path: str, fields: dict[str, Any]
) -> None:
    answer = hub.control("POST", path, json=fields)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_body_that_is_no_json_is_answered_with_the_reason(hub: Caller) -> None:
    assert hub.control("POST", "/faults", content=b"{").status_code == 400


def test_an_unknown_invoice_is_not_found(hub: Caller) -> None:
    assert hub.control("POST", "/invoices/1/state", json={"state": "PAID"}).status_code == 404
    assert hub.control("POST", "/invoices/1/attachments", json={}).status_code == 404
