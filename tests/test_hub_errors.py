"""Every error that the hub can answer, and those that something between it and us makes up."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.errors import AccountError, BridgeError, HubAwayError, InvoiceError
from bridge.hub import (
    HubAccountError,
    HubAnswerError,
    HubClient,
    HubFaultError,
    HubInvoiceFaultError,
    HubListError,
    HubRefusalError,
    UnclearAnswerError,
)
from bridge.hub.errors import ERRORS, HubDatabaseError, NoReceiptError
from bridge.model import HubId, State, StateUpdate
from tests.hub_server import HubServer, Reply, error_reply, http_date, json_reply

ONE = HubId("1")
ACCEPT = StateUpdate(state=State.ACCEPTED)
STATUS = {1: 401, 2: 404, 3: 400, 9: 500}
HTML = Reply(status=502, body=b"<html>Bad gateway</html>", headers={"Content-Type": "text/html"})


def failing(call: object, *args: object) -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value


TABLE = [*range(1001, 1013), *range(2001, 2004), *range(3001, 3009), 9001, 9002, 9999]


def test_the_table_has_every_code_of_the_hub() -> None:
    assert sorted(ERRORS) == TABLE


@pytest.mark.parametrize("code", TABLE)
def test_every_code_is_a_class_of_its_own(code: int) -> None:
    assert [other for other in TABLE if ERRORS[other] is ERRORS[code]] == [code]


@pytest.mark.parametrize("code", TABLE)
def test_a_code_about_an_invoice_keeps_the_hubs_words(
    hub: HubServer, client: HubClient, code: int
) -> None:
    reply = error_reply(code, "No s'ha trobat", status=STATUS[code // 1000], Date="")
    hub.says(reply)
    error = failing(client.invoice, ONE)
    assert type(error) is ERRORS[code]
    assert isinstance(error, HubAnswerError)
    assert (error.code, error.text, error.hub_id) == (code, "No s'ha trobat", "1")
    assert error.http_status == reply.status
    assert f"invoice 1: the hub answered {code} No s'ha trobat" in str(error)


@pytest.mark.parametrize("code", [code for code in TABLE if code < 9000])
def test_a_write_takes_the_hubs_no_as_definite(
    hub: HubServer, client: HubClient, code: int
) -> None:
    hub.says(error_reply(code, status=STATUS[code // 1000], Date=""))
    error = failing(client.patch, ONE, ACCEPT)
    assert type(error) is ERRORS[code]
    assert not isinstance(error, HubAwayError)


@pytest.mark.parametrize("code", [9001, 9002, 9999, 9123])
def test_a_write_takes_a_fault_of_the_hub_as_unclear(
    hub: HubServer, client: HubClient, code: int
) -> None:
    hub.says(error_reply(code, "ai", status=500))
    error = failing(client.patch, ONE, ACCEPT)
    assert isinstance(error, UnclearAnswerError)
    assert (error.code, error.text, error.hub_id) == (code, "ai", "1")


@pytest.mark.parametrize("code", TABLE)
def test_no_error_of_a_list_is_blamed_on_an_invoice(
    hub: HubServer, client: HubClient, code: int
) -> None:
    hub.says(error_reply(code, status=STATUS[code // 1000], Date=""))
    error = failing(client.pending_invoices)
    assert isinstance(error, AccountError if code < 2000 else HubAwayError)
    assert not isinstance(error, InvoiceError)
    assert isinstance(error, HubAnswerError)
    assert error.code == code


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (1099, 401, HubAccountError),
        (1099, 403, HubAccountError),
        (2099, 404, HubRefusalError),
        (3099, 400, HubRefusalError),
        (3099, 422, HubRefusalError),
        (9099, 500, HubInvoiceFaultError),
        (9099, 502, HubInvoiceFaultError),
    ],
)
def test_an_unknown_code_is_judged_by_the_status(
    hub: HubServer, client: HubClient, code: int, status: int, kind: type[BridgeError]
) -> None:
    hub.says(error_reply(code, status=status))
    error = failing(client.invoice, ONE)
    assert type(error) is kind


def test_the_code_counts_for_more_than_the_status(hub: HubServer, client: HubClient) -> None:
    hub.says(error_reply(3007, status=500), error_reply(2001, status=200))
    assert type(failing(client.patch, ONE, ACCEPT)) is ERRORS[3007]
    assert type(failing(client.invoice, ONE)) is ERRORS[2001]


def test_an_error_under_a_success_leaves_a_write_unclear(hub: HubServer, client: HubClient) -> None:
    hub.says(error_reply(3007, status=200), error_reply(2002, status=200))
    assert isinstance(failing(client.patch, ONE, ACCEPT), UnclearAnswerError)
    assert isinstance(failing(client.drop_pending_attachment, "7"), UnclearAnswerError)


def test_a_missing_receipt_and_a_broken_invoice_concern_that_invoice_only() -> None:
    assert issubclass(NoReceiptError, InvoiceError)
    assert issubclass(HubInvoiceFaultError, InvoiceError)
    assert issubclass(HubInvoiceFaultError, HubFaultError)
    assert issubclass(HubDatabaseError, HubAwayError)


def test_a_receipt_that_the_hub_could_not_make_is_named(
    hub: HubServer, client: HubClient, tmp_path: Path
) -> None:
    hub.says(error_reply(9002, "sense rebut", status=500))
    error = failing(client.receipt, ONE, tmp_path / "receipt.pdf")
    assert isinstance(error, NoReceiptError)
    assert "the receipt of invoice 1" in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"[]", b'{"error": 1}', b"\xff\xfe\xfa"])
@pytest.mark.parametrize("status", [400, 404, 405, 407, 408, 418, 500, 502, 503, 504])
def test_an_error_without_the_hubs_code_is_nobodys_refusal(
    hub: HubServer, client: HubClient, status: int, body: bytes
) -> None:
    reply = Reply(status=status, body=body, headers={"Content-Type": "text/html"})
    hub.says(reply, reply, reply)
    assert type(failing(client.invoice, ONE)) is HubAwayError
    assert type(failing(client.pending_invoices)) is HubAwayError
    assert type(failing(client.patch, ONE, ACCEPT)) is UnclearAnswerError


@pytest.mark.parametrize("status", [401, 403])
def test_a_door_that_is_shut_without_a_word_is_the_accounts_trouble(
    hub: HubServer, client: HubClient, status: int
) -> None:
    hub.says(Reply(status=status), Reply(status=status))
    assert "address" in str(failing(client.entities))
    # A filter on the way may dislike the text of one update: that must not stop the account.
    assert isinstance(failing(client.patch, ONE, ACCEPT), UnclearAnswerError)


def test_a_redirect_is_an_error_and_the_token_goes_nowhere_else(
    hub: HubServer, client: HubClient
) -> None:
    hub.says(Reply(status=302, headers={"Location": "https://example.org/login"}))
    error = failing(client.entities)
    assert isinstance(error, HubAwayError)
    assert "https://example.org/login" in str(error)
    assert "hub.base_url" in str(error)
    assert len(hub.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("body", [b"", b'{"codiError": 7777, "descripcioError": "massa"}'])
def test_a_busy_hub_says_when_to_come_back(
    hub: HubServer, client: HubClient, status: int, body: bytes
) -> None:
    hub.says(Reply(status=status, body=body, headers={"Retry-After": "120"}))
    error = failing(client.invoice, ONE)
    assert isinstance(error, HubAwayError)
    assert error.retry_after == 120


def test_a_write_that_was_one_too_many_was_not_applied(hub: HubServer, client: HubClient) -> None:
    hub.says(Reply(status=429, headers={"Retry-After": "7"}))
    error = failing(client.patch, ONE, ACCEPT)
    assert type(error) is HubAwayError
    assert error.retry_after == 7


def test_a_write_under_503_is_unclear_and_still_says_when(
    hub: HubServer, client: HubClient
) -> None:
    hub.says(Reply(status=503, headers={"Retry-After": "7"}))
    error = failing(client.patch, ONE, ACCEPT)
    assert isinstance(error, UnclearAnswerError)
    assert error.retry_after == 7


def test_a_date_to_come_back_counts_by_the_hubs_clock(hub: HubServer, client: HubClient) -> None:
    theirs = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)
    again = http_date(theirs + timedelta(seconds=90))
    hub.says(Reply(status=503, headers={"Date": http_date(theirs), "Retry-After": again}))
    error = failing(client.invoice, ONE)
    assert isinstance(error, HubAwayError)
    assert error.retry_after is not None
    assert 80 < error.retry_after < 100


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("soon", None), ("-5", None), ("", None), ("99999999999", 86400.0), ("0", 0.0)],
)
def test_an_odd_retry_after_does_no_harm(
    hub: HubServer, client: HubClient, value: str, seconds: float | None
) -> None:
    hub.says(Reply(status=503, headers={"Retry-After": value}))
    error = failing(client.invoice, ONE)
    assert isinstance(error, HubAwayError)
    assert error.retry_after == seconds


def test_a_list_error_is_told_from_an_away_hub_by_its_class(
    hub: HubServer, client: HubClient
) -> None:
    hub.says(error_reply(9999, status=500))
    assert type(failing(client.pending_attachments)) is HubListError


def test_a_page_instead_of_a_list_is_never_an_empty_list(hub: HubServer, client: HubClient) -> None:
    for body in (HTML.body, b"", b"[]", b"null", b'"ok"', b"{}", b'{"factures": {}}', b'{"ens": 1'):
        hub.says(Reply(body=body), Reply(body=body))
        assert isinstance(failing(client.pending_invoices), HubAwayError)
        assert isinstance(failing(client.entities), HubAwayError)


def test_a_very_long_text_of_the_hub_is_cut(hub: HubServer, client: HubClient) -> None:
    hub.says(error_reply(3007, "x" * 100_000, status=400))
    assert len(str(failing(client.invoice, ONE))) < 1000


def test_a_delete_reports_its_attachment(hub: HubServer, client: HubClient) -> None:
    hub.says(error_reply(2002, "adjunt", status=404), json_reply({}))
    assert "attachment 77" in str(failing(client.drop_pending_attachment, "77"))
    client.drop_pending_attachment("77")
