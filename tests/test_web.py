"""The status page, the metrics and the health, asked over HTTP as browsers and monitors do."""

import base64
import contextlib
import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.errors import PortTakenError
from bridge.ledger import accounts, components
from bridge.settings import Settings, WebSettings
from bridge.web import WebServer
from tests.accounts import Office, said, state_file

RULES = Path(__file__).parent.parent / "config" / "alerts.rules.yml"
PATHS = ("/", "/metrics", "/healthz")


@dataclass(frozen=True, slots=True)
class Site:
    """A web server that runs, and the account that it tells of."""

    office: Office
    server: WebServer
    http: httpx.Client

    def get(self, path: str = "/", **headers: str) -> httpx.Response:
        return self.http.get(path, headers=headers)

    def metrics(self) -> dict[str, dict[tuple[str, ...], float]]:
        """Return every sample by name and label values."""
        families = text_string_to_metric_families(self.get("/metrics").text)
        return {
            family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
            for family in families
        }


def with_web(settings: Settings, **web: object) -> Settings:
    values = WebSettings(**({"port": 0} | web))  # type: ignore[arg-type]
    return settings.model_copy(update={"web": values})


@pytest.fixture
def site(office: Office) -> Iterator[Site]:
    office.pull()
    account = office.account
    server = WebServer(with_web(account.settings), account.ledger, clock=office.clock)
    server.start()
    host, port = server.address
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=20) as http:
        yield Site(office, server, http)
    server.stop()


# -- the page ------------------------------------------------------------------------------------


def test_the_page_says_that_everything_is_in_order(site: Site) -> None:
    answer = site.get()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Everything is in order</h1>" in answer.text
    assert "Account town" in answer.text


def test_the_page_says_what_needs_a_look_and_what_to_do(site: Site) -> None:
    (hub_id,) = site.office.served()
    site.office.drop("x.xml", state_file(said(hub_id, "SENT")))
    site.office.push()
    page = site.get().text
    assert "<h1>1 thing needs a look</h1>" in page
    assert f"invoice {hub_id}: BR04" in page
    assert re.search(r"<code>efact-bridge retry -c FILE \d+</code>", page)


def test_the_page_is_current_at_every_request(site: Site) -> None:
    assert "1 in the mailbox" not in site.get().text
    site.office.served()
    assert "1 in the mailbox" in site.get().text


def test_hostile_texts_stay_texts(site: Site) -> None:
    site.office.drop("<script>alert(1)<!--'\".txt", b"x")
    with site.office.account.ledger.write() as connection:
        accounts.note_trouble(connection, "town", "</style><img src=x>", at=site.office.clock())
    site.office.clock.pass_by(minutes=11)
    page = site.get().text
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;!--&#39;&#34;.txt" in page


def test_the_page_fetches_nothing_and_runs_nothing(site: Site) -> None:
    page = site.get().text
    assert (
        re.search(r"(src|href|action|srcset)\s*=|url\(|@import|<script|<form|\son\w+=", page)
        is None
    )
    assert '<meta http-equiv="refresh" content="30">' in page


def test_only_our_own_style_is_allowed(site: Site) -> None:
    answer = site.get()
    style = re.search(r"<style>(.*)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest}';" in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", [*PATHS, "/unknown"])
def test_every_answer_has_the_security_headers(site: Site, path: str) -> None:
    headers = site.get(path).headers
    assert "content-security-policy" in headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_done_but_looking(site: Site, path: str, method: str) -> None:
    assert site.http.request(method, path).status_code == 405


@pytest.mark.parametrize("path", PATHS)
def test_no_secret_is_shown(site: Site, path: str) -> None:
    assert site.office.sandbox.secret not in site.get(path).text


# -- whom it answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8025", "localhost.evil.example", "127.0.0.1.evil", ""]
)
def test_a_name_that_is_not_ours_is_refused(site: Site, path: str, host: str) -> None:
    answer = site.get(path, Host=host)
    assert answer.status_code == 421
    assert "Account" not in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8025", "127.0.0.1:1", "[::1]:8025", "192.0.2.7", "localhost."]
)
def test_addresses_and_loopback_names_are_ours(site: Site, host: str) -> None:
    assert site.get(Host=host).status_code == 200


def test_the_name_of_the_settings_is_ours(office: Office) -> None:
    named = with_web(office.account.settings, host="localhost")
    server = WebServer(named, office.account.ledger)
    server.start()
    address = f"http://127.0.0.1:{server.address[1]}" if "." in server.address[0] else None
    try:
        if address is not None:
            assert httpx.get(f"{address}/healthz").status_code == 200
    finally:
        server.stop()


# -- health --------------------------------------------------------------------------------------


def test_health_is_good_while_every_part_runs(site: Site) -> None:
    with site.office.account.ledger.write() as connection:
        components.note(connection, "sftp", error=None, restarts=0, at=site.office.clock())
    answer = site.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "ledger": True, "components": {"sftp": True}}


def test_health_is_bad_when_a_part_has_failed(site: Site) -> None:
    with site.office.account.ledger.write() as connection:
        components.note(connection, "sftp", error="boom", restarts=1, at=site.office.clock())
    answer = site.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["components"] == {"sftp": False}


def test_a_hub_that_is_away_does_not_make_the_bridge_ill(site: Site) -> None:
    with site.office.account.ledger.write() as connection:
        accounts.note_hub(
            connection, "town", at=site.office.clock(), reachable=False, clock_offset=None
        )
    assert site.get("/healthz").status_code == 200


def test_a_ledger_that_cannot_be_read_is_told_everywhere(site: Site) -> None:
    ledger = site.office.account.ledger
    ledger.close()
    for path in ledger.path.parent.glob("ledger.db*"):
        path.unlink()
    ledger.path.write_bytes(b"no ledger at all" * 100)
    assert [site.get(path).status_code for path in PATHS] == [503, 503, 503]
    assert site.get("/healthz").json() == {"status": "failing", "ledger": False}
    assert "ledger" in site.get("/").text


# -- metrics -------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_ledger(site: Site) -> None:
    office = site.office
    first, _ = office.served(2)
    office.drop("x.xml", state_file(said(first, "SENT"), said(first, "RECEIVED")))
    office.push()
    office.clock.pass_by(hours=1)
    with office.account.ledger.write() as connection:
        offset = timedelta(seconds=-3)
        accounts.note_hub(
            connection, "town", at=office.clock(), reachable=True, clock_offset=offset
        )
        accounts.note_poll(connection, "town", at=office.clock(), capped_slices=["P08"])
    found = site.metrics()
    assert found["efact_bridge_hub_reachable"] == {(): 1}
    assert found["efact_bridge_clock_offset_seconds"] == {(): -3}
    assert found["efact_bridge_disk_free_bytes"][()] > 0
    assert found["efact_bridge_capped_slices"] == {("town",): 1}
    assert found["efact_bridge_deliveries"][("town", "placed")] == 2
    assert found["efact_bridge_deliveries"][("town", "collected")] == 0
    assert found["efact_bridge_updates"][("town", "accepted")] == 1
    assert found["efact_bridge_updates"][("town", "refused")] == 1
    assert found["efact_bridge_uncollected_oldest_seconds"][("town",)] >= 3600
    polled = found["efact_bridge_last_poll_timestamp_seconds"][("town",)]
    assert abs(polled - office.clock().timestamp()) < 60


def test_every_alert_finds_its_number(site: Site) -> None:
    with site.office.account.ledger.write() as connection:
        accounts.note_hub(
            connection,
            "town",
            at=site.office.clock(),
            reachable=True,
            clock_offset=timedelta(),
        )
    watched = set(re.findall(r"efact_bridge_\w+", RULES.read_text(encoding="utf-8")))
    assert watched <= set(site.metrics())


def test_what_is_not_known_has_no_number_but_a_poll_that_never_was_is_zero(office: Office) -> None:
    server = WebServer(with_web(office.account.settings), office.account.ledger)
    server.start()
    try:
        text = httpx.get(f"http://127.0.0.1:{server.address[1]}/metrics").text
    finally:
        server.stop()
    assert "efact_bridge_hub_reachable" not in text
    assert 'efact_bridge_last_poll_timestamp_seconds{account="town"} 0.0' in text


# -- starting and stopping -----------------------------------------------------------------------


def test_a_port_that_is_taken_is_named_with_its_setting(office: Office) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = WebServer(with_web(office.account.settings, port=port), office.account.ledger)
        with pytest.raises(PortTakenError, match=rf"\[web\] 127\.0\.0\.1:{port}"):
            server.start()


def test_it_runs_until_it_is_told_to_stop_and_frees_its_port(site: Site) -> None:
    stop = threading.Event()
    runner = threading.Thread(target=site.server.run, args=(stop,))
    runner.start()
    assert site.get("/healthz").status_code == 200
    stop.set()
    runner.join(20)
    assert not runner.is_alive()
    with pytest.raises(httpx.TransportError):
        site.get()
    with socket.create_server(site.server.address):
        pass


def test_it_stops_while_a_client_keeps_its_connection(site: Site) -> None:
    parts = urlsplit(str(site.http.base_url))
    with socket.create_connection((str(parts.hostname), parts.port or 0)) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")  # and never the end of it
        site.server.stop()
        idle.settimeout(20)
        with contextlib.suppress(ConnectionResetError):
            assert idle.recv(1024) == b""


def test_it_can_be_started_again(site: Site) -> None:
    site.server.stop()
    stop = threading.Event()
    before = site.server.address
    runner = threading.Thread(target=site.server.run, args=(stop,))
    runner.start()
    try:
        while site.server.address == before and runner.is_alive():
            stop.wait(0.01)
        host, port = site.server.address
        assert httpx.get(f"http://{host}:{port}/healthz").status_code == 200
    finally:
        stop.set()
        runner.join(20)
