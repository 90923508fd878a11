"""What an answer that is no plain success means (the policy is in `bridge/hub/errors.py`)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus

from bridge.blame import said
from bridge.errors import AccountError, BridgeError, HubAwayError, InvoiceError
from bridge.hub.calls import Call
from bridge.hub.errors import (
    ERRORS,
    HubAccountError,
    HubAnswerError,
    HubFaultError,
    HubInvoiceFaultError,
    HubListError,
    HubRefusalError,
    UnclearAnswerError,
)
from bridge.hub.fields import NotAnAnswerError, NotJsonError, hub_error, read_json

LONGEST_WAIT = 24 * 3600.0
"""Seconds; a hub that asks for more (a year, by mistake) is asked again after this."""

_KEY_NOT_TAKEN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that came whole."""

    status: int
    body: bytes
    charset: str | None = None
    location: str = ""
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether the status says that it was done."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def error(self) -> tuple[int, str] | None:
        """Code and text of the hub's, if the body is an error in its form."""
        try:
            return hub_error(read_json(self.body, self.charset))
        except NotJsonError:
            return None


def failure(call: Call, answer: Answer) -> BridgeError:
    """Return the error that an answer is, if its status or its body says that it is one."""
    theirs = answer.error
    error = _stranger(call, answer) if theirs is None else _hub_said(call, answer, *theirs)
    if isinstance(error, HubAwayError):
        error.retry_after = answer.retry_after
    return error


def unsure(call: Call, why: str, *, timed_out: bool = False) -> HubAwayError:
    """Return the error for a call that was sent and got no answer that could be relied on.

    `timed_out`: the hub did not answer in time, or was not waited for, and may still be at it.
    """
    if call.writes:
        return UnclearAnswerError(
            f"{call.what}: {why}: the hub may have taken it or not; it is asked before this is "
            "sent again",
            hub_id=call.hub_id,
            timed_out=timed_out,
        )
    return HubAwayError(f"{call.what}: {why}: it is tried again")


def not_an_answer(call: Call, error: NotAnAnswerError) -> BridgeError:
    """Return the error for a 2xx whose body is not what was asked for."""
    why = f"the hub's answer cannot be used: {error}"
    if call.about_one and not call.writes and not isinstance(error, NotJsonError):
        return InvoiceError(f"{call.what}: {why}; if it stays so, ask the AOC")
    return unsure(call, why)


def _hub_said(call: Call, answer: Answer, code: int, text: str) -> BridgeError:
    kind = ERRORS.get(code) or _kind_by_status(answer.status)
    if call.writes and (answer.is_success or issubclass(kind, HubFaultError)):
        error = unsure(call, said(code, text, answer.status))
        assert isinstance(error, UnclearAnswerError)
        error.code, error.text = code, text
        return error
    if code not in ERRORS and answer.status in _BUSY:
        return HubAwayError(f"{call.what}: the hub is busy: {code} {text}: it is tried again")
    if not call.about_one and issubclass(kind, InvoiceError):
        kind = HubListError
    return kind(what=call.what, code=code, text=text, http_status=answer.status, hub_id=call.hub_id)


def _kind_by_status(status: int) -> type[HubAnswerError]:
    if status in _KEY_NOT_TAKEN:
        return HubAccountError
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return HubRefusalError
    return HubInvoiceFaultError


def _stranger(call: Call, answer: Answer) -> BridgeError:
    """Judge an answer without a code of the hub's: a proxy's, or that of a server in trouble."""
    status = answer.status
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return HubAwayError(f"{call.what}: HTTP 429, too many requests: it is tried again")
    why = f"HTTP {status} without the hub's error code"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        why = f"HTTP {status}, a redirect to {answer.location[:200]!r}: check hub.base_url"
    elif status == HTTPStatus.NOT_FOUND:
        why += ": check hub.base_url"
    elif status in _KEY_NOT_TAKEN and not call.writes:
        return AccountError(f"{call.what}: {why}: {HubAccountError.next_step}")
    return unsure(call, why, timed_out=status == HTTPStatus.GATEWAY_TIMEOUT)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a `Retry-After` header asks to wait, in either of its forms.

    `now` is the time by the hub's clock.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,12}", text):
        seconds = float(text)
    else:
        moment = http_date(text)
        if moment is None:
            return None
        seconds = (moment - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT)


@lru_cache(maxsize=64)
def http_date(text: str) -> datetime | None:
    """Return the time of an HTTP date (resolution: a second), or None if it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
