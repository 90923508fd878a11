"""The token to the letter, and the secret nowhere."""

import json
import logging
import re
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from traceback import format_exception

import jwt
import pytest
import structlog
from pydantic import SecretStr

from bridge.errors import BridgeError
from bridge.hub import HubClient
from bridge.hub.tokens import Tokens
from tests.hub_server import HubServer, error_reply, hang_up, json_reply

NOW = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
SECRET = "s3cr3t-of-the-hub-that-nobody-must-see"
EMPTY = {"mesFactures": False, "factures": []}


def part(token: str, number: int) -> object:
    text = token.split(".")[number]
    return json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def made(lifetime: float = 60, secret: str = SECRET) -> str:
    return Tokens(issuer="hub_0012", secret=SecretStr(secret), lifetime=lifetime).fresh(NOW)


def test_header_and_claims_are_these_and_no_others() -> None:
    second = int(NOW.timestamp())
    assert part(made(), 0) == {"alg": "HS256", "typ": "JWT"}
    assert part(made(), 1) == {
        "iss": "hub_0012",
        "aud": "efact",
        "iat": second,
        "nbf": second,
        "exp": second + 60,
    }


@pytest.mark.parametrize(("lifetime", "seconds"), [(0.5, 1), (1, 1), (59.9, 59), (300, 300)])
def test_a_token_lives_whole_seconds_and_never_longer_than_set(
    lifetime: float, seconds: int
) -> None:
    claims = jwt.decode(made(lifetime), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == seconds


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "secret", ["x", "clau amb ñ i ç", '{"kty": "oct", "k": "eA"}', "ssh-rsa AAAA"]
)
def test_any_key_that_the_hub_gives_out_can_be_used(secret: str) -> None:
    token = made(secret=secret)
    header, claims, _ = token.split(".")
    import hashlib
    import hmac
    from base64 import urlsafe_b64encode

    digest = hmac.new(secret.encode(), f"{header}.{claims}".encode(), hashlib.sha256).digest()
    assert token.endswith("." + urlsafe_b64encode(digest).decode().rstrip("="))


def test_every_request_bears_a_token_of_its_own_time(hub: HubServer) -> None:
    times = iter(range(1_772_000_000, 1_772_001_000, 10))
    clock = lambda: datetime.fromtimestamp(next(times), UTC)  # noqa: E731
    hub.respond = lambda _: json_reply(EMPTY)
    with HubClient(hub.settings(), issuer="i", secret=SecretStr(SECRET), clock=clock) as client:
        client.pending_invoices()
        client.pending_invoices()
    first, second = (one.headers["Authorization"] for one in hub.requests)
    assert first.startswith("Bearer ")
    assert first != second


def test_a_write_bears_a_token_that_the_hub_can_verify(hub: HubServer) -> None:
    hub.says(json_reply({}))
    with HubClient(hub.settings(), issuer="hub_0012", secret=SecretStr(SECRET)) as client:
        client.drop_pending_attachment("5")
    token = hub.requests[0].headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, SECRET, ["HS256"], audience="efact", issuer="hub_0012")
    assert set(claims) == {"iss", "aud", "iat", "nbf", "exp"}


def test_neither_secret_nor_token_is_ever_in_a_log_an_error_or_a_repr(
    hub: HubServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    hub.says(json_reply(EMPTY), error_reply(1012, status=401), hang_up, hang_up)
    with (
        structlog.testing.capture_logs() as logs,
        HubClient(hub.settings(), issuer="hub_0012", secret=SecretStr(SECRET)) as client,
    ):
        client.pending_invoices()
        for _ in range(2):
            with pytest.raises(BridgeError) as caught:
                client.pending_invoices()
            error: BaseException | None = caught.value
            shown += [*format_exception(caught.value), repr(caught.value)]
            while error is not None:
                shown += [repr(error), repr(vars(error))]
                request = getattr(error, "_request", None)
                shown.append(repr(request and request.headers))
                error = error.__cause__
        shown += [repr(client), str(client)]
    out, err = capfd.readouterr()
    everything = "\n".join([*shown, repr(logs), caplog.text, out, err])
    assert "pending" in everything
    assert SECRET not in everything
    assert not re.search(r"eyJ[A-Za-z0-9_-]{10}", everything)
