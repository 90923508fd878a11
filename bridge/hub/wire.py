"""The wire to the hub: bounded connections, a token for each request, no guesses.

httpx stays behind this module; its errors become ours here, in `_ours`. A kept-alive connection
that the hub had closed meanwhile is noticed only when it is used: what reads is sent once more,
what writes is not, because nobody can tell whether it arrived. Every read has the timeout of the
settings; the whole call, headers and body, has twice that, and what a body of its size takes on the
slowest line, so that an answer that drips cannot hold a thread for ever. The Authorization header
is set on the request and nowhere else, and no request is logged.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlencode

import httpx
from pydantic import SecretStr

import bridge
from bridge.hub.calls import Call
from bridge.hub.clock import HubClock
from bridge.hub.errors import ClockError, HubUnreachableError
from bridge.hub.lines import PATIENCE, Line, NoLineError, lines_to
from bridge.hub.tokens import Tokens
from bridge.hub.verdict import Answer, failure, retry_after, unsure
from bridge.settings import HubSettings

LONGEST_ANSWER = 16 * 2**20
"""Bytes of a JSON answer; 500 rows need less than a hundredth of it."""

SLOWEST = 10_000
"""Bytes a second; so much longer may a call take for each byte of its body that has come."""

_HEADERS = (
    ("Accept", "*/*"),
    ("Accept-Encoding", "identity"),  # or Content-Length would not be the file's
    ("Connection", "keep-alive"),
    ("User-Agent", f"efact-bridge/{bridge.__version__}"),
)

_NOT_SENT = (
    NoLineError,
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    UnicodeError,  # of a host name that cannot be one: "efact..aoc.cat"
)
_STALE = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)

T = TypeVar("T")


class Wire:
    """Sends calls to the hub for one account; may be shared by threads."""

    def __init__(
        self,
        settings: HubSettings,
        *,
        issuer: str,
        secret: SecretStr,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._clock = HubClock(clock, issuer=issuer)
        self._tokens = Tokens(issuer=issuer, secret=secret, lifetime=settings.token_lifetime)
        self._lines = lines_to(settings)
        self._timeouts = httpx.Timeout(settings.timeout).as_dict()

    def use_secret(self, secret: SecretStr) -> None:
        """Sign with another key from now on."""
        self._tokens.use(secret)

    @property
    def clock_offset(self) -> timedelta | None:
        """The hub's clock minus ours, by the last `Date` header; None before any answer."""
        return self._clock.seen

    def hub_now(self) -> datetime:
        """Return the time by the hub's clock, as far as known; up to a second early."""
        return self._clock.now()

    def close(self) -> None:
        """Close all connections; calls under way fail at once."""
        self._lines.close()

    @contextmanager
    def line(self, call: Call) -> Iterator[Line]:
        """Hold a line for a call; raises HubUnreachableError when none gets free."""
        with self._ours(call):
            line = self._lines.take()
        try:
            yield line
        finally:
            self._lines.give_back(line)

    def ask(self, line: Line, call: Call) -> Answer:
        """Send a call and return the 2xx answer that came whole.

        Raises the errors of `bridge/hub/errors.py` for everything else.
        """

        def take(response: httpx.Response, chunks: Iterator[bytes]) -> Answer:
            answer = self.answer(response, b"".join(chunks))
            if not answer.is_success:
                raise failure(call, answer)
            return answer

        return self.send(line, call, take, limit=LONGEST_ANSWER)

    def send(
        self,
        line: Line,
        call: Call,
        take: Callable[[httpx.Response, Iterator[bytes]], T],
        *,
        limit: int,
    ) -> T:
        """Send a call and return what `take` makes of the answer and the chunks of its body.

        A token that the hub finds too old or too young is made again by the hub's clock, once.
        """
        try:
            return self._once(line, call, take, limit, self._clock.trusted)
        except ClockError:
            offset = self._clock.seen
            if offset is None:
                raise
        result = self._once(line, call, take, limit, offset)
        self._clock.trust(offset)
        return result

    def answer(self, response: httpx.Response, body: bytes) -> Answer:
        """Return a whole answer, without httpx."""
        headers = response.headers
        kind = headers.get("content-type", "").lower()
        return Answer(
            status=response.status_code,
            body=body,
            charset=response.charset_encoding if "charset" in kind else None,
            location=headers.get("location", ""),
            retry_after=retry_after(headers.get("retry-after"), self.hub_now()),
        )

    def _once(
        self,
        line: Line,
        call: Call,
        take: Callable[[httpx.Response, Iterator[bytes]], T],
        limit: int,
        offset: timedelta,
    ) -> T:
        with (
            self._ours(call),
            self._in_time(line, call),
            closing(self._open(line, call, offset)) as response,
        ):
            self._clock.note(response.headers.get("date", ""))
            return take(response, _chunks(line, call, response, limit=limit))

    @contextmanager
    def _in_time(self, line: Line, call: Call) -> Iterator[None]:
        line.deadline = time.monotonic() + PATIENCE * self._settings.timeout
        try:
            yield
        except _STALE as error:
            if line.ended is not None:
                raise unsure(call, line.ended, timed_out=True) from error
            raise

    def _open(self, line: Line, call: Call, offset: timedelta) -> httpx.Response:
        try:
            return line.send(self._request(call, offset))
        except _STALE:
            if call.writes:
                raise
            self._lines.check_open()
            if line.ended is not None:
                raise
        return line.send(self._request(call, offset))

    def _request(self, call: Call, offset: timedelta) -> httpx.Request:
        headers = [
            *_HEADERS,
            ("Authorization", f"Bearer {self._tokens.fresh(self._clock.ahead(offset))}"),
        ]
        if call.body is not None:
            headers.append(("Content-Type", "application/json"))
        url = self._settings.base_url + call.path
        if call.params:
            url += f"?{urlencode(call.params)}"
        return httpx.Request(
            call.method,
            url,
            headers=headers,
            content=call.body,
            extensions={"timeout": self._timeouts},
        )

    @contextmanager
    def _ours(self, call: Call) -> Iterator[None]:
        try:
            yield
        except _NOT_SENT as error:
            base_url = self._settings.base_url
            raise HubUnreachableError(
                f"{call.what}: the hub at {base_url} cannot be reached: {self._reason(error)}: "
                "check the network, the proxy and hub.base_url; it is tried again"
            ) from error
        except httpx.HTTPError as error:
            raise unsure(
                call,
                f"the hub did not answer: {self._reason(error)}",
                timed_out=isinstance(error, httpx.TimeoutException),
            ) from error

    def _reason(self, error: Exception) -> str:
        if isinstance(error, httpx.TimeoutException):
            return f"nothing came for {self._settings.timeout:g} s"
        return str(error).rstrip(".") or type(error).__name__


def _chunks(line: Line, call: Call, response: httpx.Response, *, limit: int) -> Iterator[bytes]:
    """Yield the body, and fail unless it comes whole, in time, and within `limit` bytes."""
    size = 0
    is_plain = "content-encoding" not in response.headers  # what we ask for
    for chunk in response.iter_raw() if is_plain else response.iter_bytes():
        line.deadline += len(chunk) / SLOWEST
        size += len(chunk)
        if size > limit:
            raise unsure(call, f"the answer is larger than {limit} bytes")
        yield chunk
    if line.ended is not None:  # to a body without a length that looks like its end
        raise unsure(call, line.ended)
    promised = response.headers.get("content-length", "")
    is_counted = promised.isdigit() and "transfer-encoding" not in response.headers
    if is_counted and response.num_bytes_downloaded != int(promised):
        raise unsure(call, f"{response.num_bytes_downloaded} of {promised} bytes came")
