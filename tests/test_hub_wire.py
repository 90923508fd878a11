"""The line to the hub: what was sent, what may have been, and what certainly was not."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from pydantic import SecretStr

from bridge.errors import HubAwayError
from bridge.hub import HubClient, HubUnreachableError, UnclearAnswerError, lines, wire
from bridge.model import HubId, State, StateUpdate
from bridge.settings import HubSettings
from tests.hub_server import (
    ACTION,
    Handler,
    HubServer,
    Reply,
    drip,
    drip_headers,
    drip_without_length,
    garbage,
    hang,
    hang_up,
    json_reply,
    little_patience,
    reset,
)
from tests.ports import free_port

ONE = HubId("1")
ACCEPT = StateUpdate(state=State.ACCEPTED)
EMPTY = json_reply({"mesFactures": False, "factures": []})
INVOICE = json_reply({"id": "1", "estat": "ACCEPTED"})


def client_of(hub: HubServer, timeout: float = 20, **settings: object) -> HubClient:
    hub_settings = hub.settings(timeout=timeout, **settings)
    return HubClient(hub_settings, issuer="hub_0012", secret=SecretStr("k" * 32))


BAD_ENDS = [
    pytest.param(hang_up, id="closed without a word"),
    pytest.param(reset, id="reset"),
    pytest.param(garbage, id="no HTTP"),
    pytest.param(hang, id="silence"),
    pytest.param(drip, id="a drip"),
    pytest.param(drip_headers, id="headers that drip"),
    pytest.param(drip_without_length, id="a drip without an end"),
    pytest.param(Reply(body=INVOICE.body, sent=5), id="cut short"),
    pytest.param(Reply(body=INVOICE.body, headers={"Content-Encoding": "gzip"}), id="no gzip"),
]


@pytest.mark.parametrize("end", BAD_ENDS)
def test_a_write_without_a_whole_answer_is_unclear_and_never_repeated(
    hub: HubServer, end: Reply | ACTION, monkeypatch: pytest.MonkeyPatch
) -> None:
    little_patience(hub, monkeypatch)
    hub.says(end, end)
    with client_of(hub) as client:
        with pytest.raises(UnclearAnswerError, match="ACCEPTED for invoice 1") as caught:
            client.patch(ONE, ACCEPT)
        assert caught.value.hub_id == "1"
        with pytest.raises(UnclearAnswerError, match="attachment 7"):
            client.drop_pending_attachment("7")
    assert hub.asked == ["PATCH /factura/1", "DELETE /adjunts-pendents/7"]


@pytest.mark.parametrize("end", BAD_ENDS)
def test_a_question_without_a_whole_answer_is_an_away_hub(
    hub: HubServer, end: Reply | ACTION, monkeypatch: pytest.MonkeyPatch
) -> None:
    little_patience(hub, monkeypatch)
    hub.says(end, end)
    with (
        client_of(hub) as client,
        pytest.raises(HubAwayError, match="invoice 1") as caught,
    ):
        client.invoice(ONE)
    assert type(caught.value) is HubAwayError


@pytest.mark.parametrize("end", [hang_up, reset])
def test_a_question_on_a_connection_that_the_hub_had_dropped_is_asked_once_more(
    hub: HubServer, end: ACTION
) -> None:
    hub.says(EMPTY, end, INVOICE)
    with client_of(hub) as client:
        client.pending_invoices()
        assert client.invoice(ONE).state is State.ACCEPTED
    assert hub.asked == ["GET /factures-pendents", "GET /factura/1", "GET /factura/1"]
    # The second went out on the kept connection, the third on a new one.
    assert hub.requests[0].port == hub.requests[1].port != hub.requests[2].port


def test_a_write_on_a_connection_that_the_hub_had_dropped_is_unclear(hub: HubServer) -> None:
    hub.says(EMPTY, reset)
    with client_of(hub) as client:
        client.pending_invoices()
        with pytest.raises(UnclearAnswerError):
            client.patch(ONE, ACCEPT)
    assert hub.asked == ["GET /factures-pendents", "PATCH /factura/1"]


def test_a_hub_that_forgets_its_connections_is_no_trouble(hub: HubServer) -> None:
    hub.forgets_connections = True
    hub.respond = lambda _: EMPTY
    with client_of(hub) as client:
        for _ in range(5):
            client.pending_invoices()


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:{port}/rcf", "https://127.0.0.1:{port}/rcf"]
)
def test_a_hub_that_does_not_listen_was_sent_nothing(base_url: str) -> None:
    url = base_url.format(port=free_port())
    with HubClient(HubSettings(base_url=url), issuer="i", secret=SecretStr("k" * 32)) as client:
        for call in (client.entities, lambda: client.patch(ONE, ACCEPT)):
            with pytest.raises(HubUnreachableError, match=r"hub\.base_url"):
                call()


def test_a_name_that_no_host_can_have_was_sent_nothing() -> None:
    settings = HubSettings(base_url="https://efact..aoc.cat/rcf")
    with (
        HubClient(settings, issuer="i", secret=SecretStr("k" * 32)) as client,
        pytest.raises(HubUnreachableError, match=r"hub\.base_url"),
    ):
        client.patch(ONE, ACCEPT)


def through_proxy(monkeypatch: pytest.MonkeyPatch, proxy: str, *, not_for: str = "") -> HubClient:
    for name, value in {"HTTPS_PROXY": proxy, "NO_PROXY": not_for}.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.lower(), value)
    settings = HubSettings(base_url="https://hub.invalid:8443/rcf")
    return HubClient(settings, issuer="i", secret=SecretStr("k" * 32))


def test_a_proxy_of_the_environment_is_used_for_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody listens where the proxy should be.
    with (
        through_proxy(monkeypatch, f"http://127.0.0.1:{free_port()}") as client,
        pytest.raises(HubUnreachableError, match="refused"),
    ):
        client.patch(ONE, ACCEPT)


@pytest.mark.parametrize("not_for", ["hub.invalid", ".invalid", "hub.invalid:8443", "*"])
def test_a_hub_that_the_environment_excepts_from_the_proxy_is_called_directly(
    monkeypatch: pytest.MonkeyPatch, not_for: str
) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    with (
        through_proxy(monkeypatch, proxy, not_for=not_for) as client,
        pytest.raises(HubUnreachableError) as caught,
    ):
        client.patch(ONE, ACCEPT)
    assert "refused" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://127.0.0.1:1", "http://p:port"])
def test_a_proxy_that_cannot_be_one_is_named_and_was_sent_nothing(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    with (
        through_proxy(monkeypatch, proxy) as client,
        pytest.raises(HubUnreachableError, match="the environment's proxy"),
    ):
        client.patch(ONE, ACCEPT)


def test_a_server_without_a_certificate_to_trust_was_sent_nothing(hub: HubServer) -> None:
    settings = HubSettings(base_url=hub.url.replace("http://", "https://"), timeout=20)
    with (
        HubClient(settings, issuer="i", secret=SecretStr("k" * 32)) as client,
        pytest.raises(HubUnreachableError),
    ):
        client.patch(ONE, ACCEPT)
    assert hub.requests == []


def test_a_call_that_found_no_free_connection_was_not_sent(hub: HubServer) -> None:
    arrived = Event()

    def keep_busy(handler: Handler) -> None:
        handler.send_response_only(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(b" " * 500_000)  # for so much of a body there is time
        arrived.set()
        while not handler.hub.stopped.wait(0.01):
            handler.wfile.write(b" ")
        handler.close_connection = True

    hub.says(keep_busy)
    with client_of(hub, max_connections=1) as client, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client.entities)
        arrived.wait()
        client._wire._lines._patience = 0.1
        with pytest.raises(HubUnreachableError, match=r"hub\.max_connections"):
            client.patch(ONE, ACCEPT)
        hub.stopped.set()
        assert isinstance(slow.exception(), HubAwayError)
    assert hub.asked == ["GET /ens"]


def test_one_client_serves_many_threads_on_bounded_connections(hub: HubServer) -> None:
    hub.respond = lambda request: json_reply({"id": request.path.split("/")[-1], "estat": "PAID"})
    start = Barrier(8)

    def ask(worker: int) -> list[str]:
        start.wait()
        ids = [HubId(f"{worker}-{number}") for number in range(10)]
        return [client.invoice(hub_id).hub_id for hub_id in ids]

    with client_of(hub, max_connections=3) as client, ThreadPoolExecutor(8) as pool:
        answers = [hub_id for ids in pool.map(ask, range(8)) for hub_id in ids]
    assert sorted(answers) == sorted(one.path.split("/")[-1] for one in hub.requests)
    assert len({one.port for one in hub.requests}) <= 3


def test_an_answer_that_never_ends_is_cut(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LONGEST_ANSWER", 1000)
    hub.says(Reply(body=b" " * 2000), Reply(body=b" " * 2000), EMPTY)
    with client_of(hub) as client:
        with pytest.raises(HubAwayError, match="larger than 1000 bytes"):
            client.pending_invoices()
        with pytest.raises(UnclearAnswerError):
            client.patch(ONE, ACCEPT)
        assert client.pending_invoices().rows == ()


def test_a_closed_client_says_so(hub: HubServer) -> None:
    client = client_of(hub)
    client.close()
    client.close()
    with pytest.raises(HubAwayError, match="closed"):
        client.entities()
    with pytest.raises(HubAwayError, match="closed"):
        client.patch(ONE, ACCEPT)
    assert hub.requests == []


@pytest.mark.parametrize("kind", [drip, drip_headers, drip_without_length])
def test_an_answer_that_drips_is_given_up_and_its_line_is_of_use_again(
    hub: HubServer, kind: ACTION, monkeypatch: pytest.MonkeyPatch
) -> None:
    little_patience(hub, monkeypatch)
    hub.says(kind, INVOICE)
    with client_of(hub, max_connections=1) as client:
        with pytest.raises(HubAwayError, match="comes too slowly"):
            client.invoice(ONE)
        assert client.invoice(ONE).state is State.ACCEPTED


def test_a_large_answer_may_take_longer_than_a_small_one(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (wire, lines):
        monkeypatch.setattr(module, "PATIENCE", 0.1)
    monkeypatch.setattr(wire, "SLOWEST", 1)
    padding = len(INVOICE.body) + 60

    def slowly(handler: Handler) -> None:
        handler.send_response_only(200)
        handler.send_header("Content-Length", str(padding))
        handler.end_headers()
        for byte in INVOICE.body.rjust(padding):
            handler.wfile.write(bytes([byte]))
            handler.hub.stopped.wait(0.03)  # beyond what a call without a body may take

    hub.says(slowly)
    with client_of(hub) as client:
        assert client.invoice(ONE).state is State.ACCEPTED


@pytest.mark.parametrize("kind", [hang, drip, drip_headers, drip_without_length])
def test_closing_ends_a_call_under_way_in_another_thread(hub: HubServer, kind: ACTION) -> None:
    arrived = Event()

    def keep_waiting(handler: Handler) -> None:
        arrived.set()
        kind(handler)

    hub.says(keep_waiting)
    client = client_of(hub, timeout=1000)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.patch, ONE, ACCEPT)
        arrived.wait()
        client.close()
        assert isinstance(call.exception(), UnclearAnswerError)
    assert hub.asked == ["PATCH /factura/1"]


def test_closing_ends_the_wait_for_a_connection(hub: HubServer) -> None:
    arrived = Event()

    def keep_waiting(handler: Handler) -> None:
        arrived.set()
        hang(handler)

    hub.says(keep_waiting)
    client = client_of(hub, timeout=1000, max_connections=1)
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(client.entities) for _ in range(3)]
        arrived.wait()
        client.close()
        errors = [call.exception() for call in calls]
    assert all(isinstance(error, HubUnreachableError) for error in errors)
    assert hub.asked == ["GET /ens"]


def test_a_full_list_of_connections_recovers_after_errors(hub: HubServer) -> None:
    with client_of(hub, max_connections=1) as client:
        for bad in (hang_up, Reply(body=b"x" * 100, sent=3), Reply(status=500), garbage):
            hub.script.clear()
            hub.says(bad, bad)
            with pytest.raises(HubAwayError):
                client.pending_invoices()
        hub.script.clear()
        hub.says(EMPTY)
        assert client.pending_invoices().rows == ()
