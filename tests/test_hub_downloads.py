"""A file from the hub is on disk whole, or not at all."""

import gzip
import hashlib
import os
import resource
import signal
from pathlib import Path

import pytest
from pydantic import SecretStr

from bridge.errors import BridgeError, HubAwayError, InvoiceError, StorageError
from bridge.hub import HubClient, HubReader, download
from bridge.hub.errors import UnknownAttachmentError, UnknownInvoiceError
from bridge.model import HubId
from tests.hub_server import (
    ACTION,
    Handler,
    HubServer,
    Reply,
    drip,
    drip_without_length,
    error_reply,
    file_reply,
    hang,
    hang_up,
    little_patience,
    reset,
)

ONE = HubId("1")
XML = b"<?xml version='1.0'?><fe:Facturae/>\r\n"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("size", [1, 38, 65_536, 1_000_003])
def test_a_file_is_saved_byte_for_byte_and_hashed(
    hub: HubServer, client: HubClient, target: Path, size: int
) -> None:
    body = os.urandom(size)
    hub.says(file_reply(body, "application/pdf; x=y"))
    file = client.receipt(ONE, target)
    assert target.read_bytes() == body
    assert file.path == target
    assert (file.size, file.digest) == (size, hashlib.sha256(body).hexdigest())
    assert file.content_type == "application/pdf; x=y"


def test_the_start_of_a_file_is_told_however_its_bytes_come(
    hub: HubServer, client: HubClient, target: Path
) -> None:
    body = b"%PDF-1.7" + os.urandom(2000)

    def in_small_pieces(handler: Handler) -> None:
        handler.send_response_only(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for start in range(0, len(body), 300):
            handler.wfile.write(body[start : start + 300])
            handler.wfile.flush()

    hub.says(in_small_pieces)
    assert client.receipt(ONE, target).start == body[:1024]


def test_a_facturae_is_taken_whatever_its_content_type(
    hub: HubServer, client: HubClient, tmp_path: Path
) -> None:
    for number, kind in enumerate(["text/html", "application/json", "", "application/xml"]):
        hub.says(file_reply(XML, kind))
        file = client.facturae(ONE, tmp_path / str(number))
        assert file.path.read_bytes() == XML
        assert file.content_type == (kind or None)


def cut_at_the_end(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<a/>\n\r\n")
    handler.close_connection = True


def broken_gzip(handler: Handler) -> None:
    body = b"this is no gzip"
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n\r\n")
    handler.wfile.write(body)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=XML, sent=len(XML) - 1),
        Reply(body=XML, sent=0),
        Reply(body=os.urandom(500_000), sent=400_000),
        cut_at_the_end,
        broken_gzip,
        drip,
        drip_without_length,
    ],
    ids=[
        "one byte short",
        "no byte",
        "far short",
        "no last chunk",
        "broken gzip",
        "a drip",
        "a drip without an end",
    ],
)
def test_a_file_that_does_not_come_whole_leaves_nothing(
    hub: HubServer, target: Path, reply: Reply | ACTION, monkeypatch: pytest.MonkeyPatch
) -> None:
    little_patience(hub, monkeypatch)
    hub.says(reply, reply)
    with (
        HubReader(hub.settings(), issuer="i", secret=SecretStr("k" * 32)) as reader,
        pytest.raises(HubAwayError, match="the Facturae file of invoice 1"),
    ):
        reader.facturae(ONE, target)
    assert not target.exists()


@pytest.mark.parametrize("action", [hang_up, reset])
def test_a_line_that_stays_dead_is_an_away_hub(
    hub: HubServer, client: HubClient, target: Path, action: ACTION
) -> None:
    hub.says(action, action)
    with pytest.raises(HubAwayError):
        client.facturae(ONE, target)
    assert not target.exists()


def test_a_hub_that_says_nothing_is_given_up(hub: HubServer, target: Path) -> None:
    hub.says(hang)
    with (
        HubReader(hub.settings(timeout=0.2), issuer="i", secret=SecretStr("k" * 32)) as reader,
        pytest.raises(HubAwayError, match=r"nothing came for 0\.2 s"),
    ):
        reader.facturae(ONE, target)
    assert not target.exists()


def test_an_empty_file_is_that_invoices_trouble(
    hub: HubServer, client: HubClient, target: Path
) -> None:
    hub.says(file_reply(b""), file_reply(b""))
    for fetch in (client.facturae, client.receipt):
        with pytest.raises(InvoiceError, match="it is empty"):
            fetch(ONE, target)
        assert not target.exists()


def test_an_empty_attachment_is_an_attachment(
    hub: HubServer, client: HubClient, target: Path
) -> None:
    hub.says(file_reply(b"", "text/plain"))
    assert client.attachment(ONE, "7", target).size == 0


def test_an_error_of_the_hub_is_no_file(hub: HubServer, client: HubClient, target: Path) -> None:
    hub.says(error_reply(2002, "adjunt", status=404), error_reply(2001, status=200))
    with pytest.raises(UnknownAttachmentError, match="attachment 7 of invoice 1"):
        client.attachment(ONE, "7", target)
    with pytest.raises(UnknownInvoiceError):
        client.facturae(ONE, target)
    assert not target.exists()


def test_a_page_of_a_proxy_is_no_attachment(
    hub: HubServer, client: HubClient, target: Path
) -> None:
    page = file_reply(b"<html>blocked</html>", "text/html; charset=utf-8")
    hub.says(page, page)
    with pytest.raises(HubAwayError, match="web page"):
        client.attachment(ONE, "7", target)
    with pytest.raises(HubAwayError, match="web page"):
        client.receipt(ONE, target)
    assert not target.exists()


def test_an_attachment_that_looks_like_json_is_kept(
    hub: HubServer, client: HubClient, tmp_path: Path
) -> None:
    for number, body in enumerate([b"{", b'{"a": 1}', b"[1]", b"\xff\xfe{"]):
        hub.says(file_reply(body, "text/plain"))
        assert client.attachment(ONE, "7", tmp_path / str(number)).size == len(body)


def test_a_hub_that_compresses_all_the_same_is_understood(
    hub: HubServer, client: HubClient, target: Path
) -> None:
    packed = gzip.compress(XML)
    hub.says(Reply(body=packed, headers={"Content-Encoding": "gzip"}))
    file = client.facturae(ONE, target)
    assert (target.read_bytes(), file.size) == (XML, len(XML))


def test_a_bomb_is_stopped_at_the_limit(
    hub: HubServer, client: HubClient, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LONGEST_FILE", 100_000)
    hub.says(Reply(body=gzip.compress(b" " * 10_000_000), headers={"Content-Encoding": "gzip"}))
    with pytest.raises(BridgeError, match="larger than 100000 bytes"):
        client.facturae(ONE, target)
    assert not target.exists()


def test_a_file_that_is_there_already_is_left_as_it_is(
    hub: HubServer, client: HubClient, target: Path
) -> None:
    target.write_bytes(b"ours")
    hub.says(file_reply(XML))
    with pytest.raises(StorageError, match="already"):
        client.facturae(ONE, target)
    assert target.read_bytes() == b"ours"


def test_a_link_is_not_followed(hub: HubServer, client: HubClient, tmp_path: Path) -> None:
    target = tmp_path / "link"
    target.symlink_to(tmp_path / "elsewhere")
    hub.says(file_reply(XML))
    with pytest.raises(StorageError):
        client.facturae(ONE, target)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("where", ["missing/file", "plain/file"])
def test_a_place_that_cannot_be_written_is_named(
    hub: HubServer, client: HubClient, tmp_path: Path, where: str
) -> None:
    (tmp_path / "plain").write_bytes(b"")
    hub.says(file_reply(XML))
    with pytest.raises(StorageError, match=where):
        client.facturae(ONE, tmp_path / where)


def test_a_full_disk_is_named(hub: HubServer, client: HubClient, tmp_path: Path) -> None:
    # A limit on the size of files fails a write as a full disk does.
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, old[1]))
    try:
        hub.says(file_reply(os.urandom(1_000_000)))
        with pytest.raises(StorageError, match="cannot be written"):
            client.facturae(ONE, tmp_path / "file")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, old_handler)
    assert not (tmp_path / "file").exists()


def test_an_endless_error_is_not_read_to_its_end(
    hub: HubServer, client: HubClient, target: Path
) -> None:
    hub.says(Reply(status=500, body=b"x" * 10_000_000))
    with pytest.raises(HubAwayError, match="HTTP 500"):
        client.facturae(ONE, target)
    assert not target.exists()
