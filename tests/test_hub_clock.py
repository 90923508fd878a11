"""1008 and 1009: this machine's clock is off, and the hub's `Date` header says by how much."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
import structlog
from pydantic import SecretStr

from bridge.doctor import Verdict, examine
from bridge.errors import AccountError
from bridge.hub import HubClient
from bridge.hub.errors import TokenExpiredError, TokenNotYetValidError
from bridge.model import HubId, State, StateUpdate
from bridge.sandbox.server import Sandbox
from tests.accounts import settings_for
from tests.hub_server import (
    HubServer,
    Reply,
    Request,
    error_reply,
    file_reply,
    http_date,
    json_reply,
)

OURS = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = "a key of the hub's own choice...."
EMPTY = {"mesFactures": False, "factures": []}


class HubClock:
    """Lets in only tokens that are valid by its own time."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def respond(self, request: Request) -> Reply:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, options={"verify_signature": False})
        date = http_date(self.now)
        if claims["exp"] <= self.now.timestamp():
            return error_reply(1008, "caducat", status=401, Date=date)
        if claims["nbf"] > self.now.timestamp():
            return error_reply(1009, "encara no", status=401, Date=date)
        if request.path.endswith("facturae"):
            return file_reply(b"<Facturae/>")
        if request.method == "PATCH":
            return json_reply({"id": "1", "estat": "ACCEPTED"}, Date=date)
        return json_reply(EMPTY, Date=date)


@pytest.fixture
def client(hub: HubServer) -> Iterator[HubClient]:
    settings = hub.settings(token_lifetime=60)
    secret = SecretStr(SECRET)
    with HubClient(settings, issuer="hub_0012", secret=secret, clock=lambda: OURS) as client:
        yield client


def lifetimes(hub: HubServer) -> list[tuple[int, int]]:
    tokens = [one.headers["Authorization"].removeprefix("Bearer ") for one in hub.requests]
    claims = [jwt.decode(token, options={"verify_signature": False}) for token in tokens]
    return [(one["iat"], one["exp"]) for one in claims]


@pytest.mark.parametrize("hours", [-30, 5])
def test_a_wrong_clock_heals_by_the_hubs_date(
    hub: HubServer, client: HubClient, hours: int
) -> None:
    theirs = OURS + timedelta(hours=hours)
    hub.respond = HubClock(theirs).respond
    with structlog.testing.capture_logs() as logs:
        client.pending_invoices()
        client.pending_invoices()
    assert [entry["seconds"] for entry in logs] == [hours * 3600]
    assert [entry["log_level"] for entry in logs] == ["warning"]
    now = int(theirs.timestamp())
    # The first try by our clock; from then on everything by the hub's.
    assert lifetimes(hub)[1:] == [(now, now + 60), (now, now + 60)]


def test_a_wrong_clock_heals_for_downloads_and_writes_alike(
    hub: HubServer, client: HubClient, tmp_path: Path
) -> None:
    clock = HubClock(OURS + timedelta(hours=1))
    hub.respond = clock.respond
    client.facturae(HubId("1"), tmp_path / "1.xml")
    clock.now = OURS + timedelta(hours=2)
    updated = client.patch(HubId("1"), StateUpdate(state=State.ACCEPTED))
    assert updated is not None
    assert [line.split()[0] for line in hub.asked] == ["GET", "GET", "PATCH", "PATCH"]


def test_a_clock_that_is_set_right_later_heals_again(hub: HubServer, client: HubClient) -> None:
    clock = HubClock(OURS + timedelta(hours=1))
    hub.respond = clock.respond
    with structlog.testing.capture_logs() as logs:
        client.pending_invoices()
        clock.now = OURS
        client.pending_invoices()
    assert [entry["seconds"] for entry in logs] == [3600, 0]
    assert len(hub.requests) == 4


@pytest.mark.parametrize(
    ("code", "kind"), [(1008, TokenExpiredError), (1009, TokenNotYetValidError)]
)
def test_a_token_refused_twice_is_the_accounts_trouble(
    hub: HubServer, client: HubClient, code: int, kind: type[AccountError]
) -> None:
    refusal = error_reply(code, status=401, Date=http_date(OURS + timedelta(hours=9)))
    hub.says(refusal, refusal, json_reply(EMPTY))
    with structlog.testing.capture_logs() as logs, pytest.raises(kind, match="NTP"):
        client.pending_invoices()
    assert len(hub.requests) == 2
    client.pending_invoices()
    assert logs == []
    # A date that did not help is not kept.
    assert lifetimes(hub)[2][0] == int(OURS.timestamp())


def test_without_a_date_there_is_nothing_to_heal_by(hub: HubServer, client: HubClient) -> None:
    hub.says(error_reply(1008, status=401, Date=""))
    with pytest.raises(TokenExpiredError):
        client.pending_invoices()
    assert len(hub.requests) == 1


def test_the_offset_is_known_after_any_answer(hub: HubServer, client: HubClient) -> None:
    assert client.clock_offset is None
    assert client.hub_now() == OURS
    hub.says(Reply(status=500, headers={"Date": http_date(OURS + timedelta(seconds=42))}))
    with pytest.raises(Exception, match="HTTP 500"):
        client.pending_invoices()
    assert client.clock_offset == timedelta(seconds=42)
    assert client.hub_now() == OURS + timedelta(seconds=42)


@pytest.mark.parametrize("date", ["yesterday", "0", "Thu, 99 Foo 2026 00:00:00 GMT", "", "é"])
def test_a_date_that_is_none_is_ignored(hub: HubServer, client: HubClient, date: str) -> None:
    hub.says(json_reply(EMPTY, Date=date))
    client.pending_invoices()
    assert client.clock_offset is None


@pytest.mark.parametrize(
    ("ahead", "verdict"), [(10, Verdict.OK), (45, Verdict.WARNING), (-45, Verdict.WARNING)]
)
def test_check_shows_the_offset_and_warns_of_a_large_one(
    sandbox: Sandbox, tmp_path: Path, ahead: int, verdict: Verdict
) -> None:
    sandbox.book.clock_offset = ahead
    found = examine(settings_for(tmp_path, sandbox))
    (clock,) = [finding for finding in found if finding.what == "account town: clock"]
    assert clock.verdict is verdict
    shown = int(clock.said.split("clock is ")[1].split(" s from")[0])
    assert ahead - 2 <= shown <= ahead
