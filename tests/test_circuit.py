"""When an account calls the hub, and when it leaves it in peace: counted at the hub."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from pydantic import SecretStr

from bridge.crew import work
from bridge.errors import AccountError, BridgeError, HubAwayError, InvoiceError
from bridge.hub import Circuit, HubClient, HubPausedError
from bridge.hub.circuit import MOST_IN_A_ROW
from bridge.model import HubId, State, StateUpdate
from tests.hub_server import (
    Handler,
    HubServer,
    Reply,
    Request,
    error_reply,
    http_date,
    json_reply,
    reset,
)

ONE = HubId("1")
ACCEPT = StateUpdate(state=State.ACCEPTED)
SHOWN = json_reply({"id": "1", "estat": "ACCEPTED"})
DOWN = Reply(status=500, body=b"<html>down</html>")
FIRST, LONGEST, BARRED = 8.0, 100.0, 1000.0


class Now:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def circuit(now: Now) -> Circuit:
    return Circuit(initial=FIRST, most=LONGEST, most_barred=BARRED, now=now)


@pytest.fixture
def client(hub: HubServer, circuit: Circuit) -> Iterator[HubClient]:
    secret = SecretStr("k" * 32)
    with HubClient(hub.settings(), issuer="hub_0012", secret=secret, circuit=circuit) as client:
        yield client


def failing(call: Callable[[], object]) -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        call()
    return caught.value


def ask(client: HubClient) -> object:
    return client.invoice(ONE)


def in_an_hour() -> str:
    return http_date(datetime.now(UTC) + timedelta(hours=1))


# -- what opens it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("said", ["3600", "date"])
def test_a_hub_that_asks_for_a_pause_gets_it_from_every_call(
    hub: HubServer, client: HubClient, now: Now, status: int, said: str
) -> None:
    hub.says(
        Reply(status=status, headers={"Retry-After": in_an_hour() if said == "date" else said})
    )
    failing(lambda: ask(client))
    for call in (
        client.pending_invoices,
        client.entities,
        lambda: client.patch(ONE, ACCEPT),
        lambda: client.drop_pending_attachment("7"),
    ):
        error = failing(call)
        assert isinstance(error, HubPausedError)
        assert error.retry_after == pytest.approx(3600, abs=60)
    assert len(hub.requests) == 1
    now.seconds += 3660
    hub.says(SHOWN)
    ask(client)
    assert len(hub.requests) == 2


def test_a_pause_that_is_asked_for_in_the_middle_of_a_round_ends_it(
    hub: HubServer, client: HubClient
) -> None:
    hub.says(SHOWN, SHOWN, Reply(status=429, headers={"Retry-After": "60"}))
    with pytest.raises(HubAwayError):
        work(
            range(20),
            lambda _: client.patch(ONE, ACCEPT) and None,
            workers=1,
            failed=lambda _, __: None,
            stopping=Event(),
        )
    failing(lambda: client.facturae(ONE, None))  # type: ignore[arg-type]
    assert len(hub.requests) == 3


def test_a_hub_that_cannot_be_reached_is_not_asked_again_at_once(
    client: HubClient, circuit: Circuit, hub: HubServer
) -> None:
    hub.__exit__()
    assert not isinstance(failing(lambda: ask(client)), HubPausedError)
    assert isinstance(failing(lambda: ask(client)), HubPausedError)
    assert FIRST / 2 <= circuit.pause_left <= FIRST


def test_an_account_that_is_not_let_in_calls_no_more(hub: HubServer, client: HubClient) -> None:
    hub.says(error_reply(1012, status=401))
    first = failing(lambda: ask(client))
    for call in (client.pending_invoices, lambda: client.patch(ONE, ACCEPT)):
        error = failing(call)
        assert isinstance(error, AccountError)
        assert str(error) == str(first)  # the same trouble since the same time
    assert len(hub.requests) == 1


def test_many_calls_in_a_row_without_an_answer_mean_that_the_hub_is_away(
    hub: HubServer, client: HubClient, circuit: Circuit
) -> None:
    hub.says(*[DOWN] * MOST_IN_A_ROW)
    for _ in range(MOST_IN_A_ROW):
        assert circuit.is_closed
        failing(lambda: ask(client))
    assert isinstance(failing(lambda: ask(client)), HubPausedError)
    assert len(hub.requests) == MOST_IN_A_ROW


@pytest.mark.parametrize(
    "answer", [SHOWN, error_reply(2001, status=404), error_reply(9999, status=500)]
)
def test_an_answer_in_between_shows_that_the_hub_is_there(
    hub: HubServer, client: HubClient, circuit: Circuit, answer: Reply
) -> None:
    hub.says(*[DOWN] * (MOST_IN_A_ROW - 1), answer, *[DOWN] * (MOST_IN_A_ROW - 1))
    for _ in range(2 * MOST_IN_A_ROW - 1):
        with suppress(BridgeError):
            ask(client)
    assert circuit.is_closed


def test_invoices_that_fail_alone_never_open_it(
    hub: HubServer, client: HubClient, circuit: Circuit
) -> None:
    hub.respond = lambda _: error_reply(9999, status=500)
    for _ in range(3 * MOST_IN_A_ROW):
        assert isinstance(failing(lambda: ask(client)), InvoiceError)
    assert circuit.is_closed


# -- what closes it --------------------------------------------------------------------------------


def opened(hub: HubServer, client: HubClient) -> None:
    hub.says(Reply(status=429, headers={"Retry-After": "1"}))
    failing(lambda: ask(client))
    hub.requests.clear()


def test_each_probe_that_fails_makes_the_next_pause_longer(
    hub: HubServer, client: HubClient, circuit: Circuit, now: Now
) -> None:
    opened(hub, client)
    for doubled in (FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST, LONGEST, LONGEST):
        assert doubled / 2 <= circuit.pause_left <= doubled
        now.seconds += LONGEST
        hub.says(reset, reset)  # a read is sent once more
        failing(lambda: ask(client))
    now.seconds += LONGEST
    hub.says(SHOWN)
    ask(client)
    assert circuit.is_closed
    opened(hub, client)
    assert circuit.pause_left <= FIRST


def asking(
    hub: HubServer, client: HubClient, pool: ThreadPoolExecutor, answer: Reply
) -> list[Future[object]]:
    """Have five threads ask after the pause; the hub answers once one of them is there."""
    asked, go_on = Event(), Event()

    def respond(_: Request) -> Reply:
        asked.set()
        assert go_on.wait(30)
        return answer

    hub.respond = respond
    asks = [pool.submit(ask, client) for _ in range(5)]
    assert asked.wait(30)
    assert not any(one.done() for one in asks)
    go_on.set()
    return asks


def test_one_call_tries_the_hub_while_the_others_wait_for_its_answer(
    hub: HubServer, client: HubClient, now: Now
) -> None:
    opened(hub, client)
    now.seconds += FIRST
    with ThreadPoolExecutor(5) as pool:
        for one in asking(hub, client, pool, SHOWN):
            assert one.exception() is None
    assert len(hub.requests) == 5


def test_a_try_that_fails_sends_the_others_away(
    hub: HubServer, client: HubClient, now: Now
) -> None:
    opened(hub, client)
    now.seconds += FIRST
    with ThreadPoolExecutor(5) as pool:
        errors = [one.exception() for one in asking(hub, client, pool, DOWN)]
    assert len(hub.requests) == 1
    assert sum(isinstance(error, HubPausedError) for error in errors) == 4


def test_what_was_sent_before_a_pause_neither_ends_nor_shortens_it(
    hub: HubServer, client: HubClient, circuit: Circuit
) -> None:
    there, go_on = Event(), Event()

    def late(handler: Handler) -> None:
        there.set()
        assert go_on.wait(30)
        handler.reply(SHOWN)

    def respond(request: Request) -> Reply | Callable[[Handler], None]:
        is_write = request.method == "PATCH"
        return late if is_write else Reply(status=429, headers={"Retry-After": "60"})

    hub.respond = respond
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(client.patch, ONE, ACCEPT)
        assert there.wait(30)
        failing(lambda: ask(client))
        go_on.set()
        early.result()
    assert circuit.pause_left == 60


def test_a_probe_that_cannot_write_its_file_leaves_the_next_one_its_turn(
    hub: HubServer, client: HubClient, circuit: Circuit, now: Now, tmp_path: Path
) -> None:
    opened(hub, client)
    now.seconds += FIRST
    hub.says(Reply(body=b"<Facturae/>"), SHOWN)
    failing(lambda: client.facturae(ONE, tmp_path / "none" / "file"))
    assert not circuit.is_closed
    ask(client)
    assert circuit.is_closed
