"""What holds for every answer: whom it is for, and what a browser may do with it.

The page has no password, so a foreign web site must not be able to read it through the browser of
somebody who can: names that lead here only because that site says so (DNS rebinding) are refused.
An address cannot be made to lead elsewhere, so any address is as good as another.
"""

import ipaddress
import socket
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MISDIRECTED = 421

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses requests by foreign names and gives every answer its security headers."""

    def __init__(self, app: ASGIApp, *, host: str, styles: Iterable[str] = ()) -> None:
        """`host` is the one of the settings; `styles` are hashes of what may stand in <style>."""
        self._app = app
        self._names = frozenset({"localhost", host.lower(), socket.gethostname().lower()})
        style = " ".join(f"'{style}'" for style in styles) or "'none'"
        self._headers = _HEADERS | {
            "Content-Security-Policy": f"default-src 'none'; style-src {style}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        wanted = Headers(scope=scope).get("host", "")
        app = self._app if self._is_ours(wanted) else _not_here(wanted)
        await app(scope, receive, send_with_headers)

    def _is_ours(self, wanted: str) -> bool:
        name = _without_port(wanted).lower()
        return name in self._names or _is_address(name)


def _not_here(wanted: str) -> ASGIApp:
    return PlainTextResponse(
        f"{wanted!r} is no name of this page. Use the address, or the name that stands in the "
        "settings ([web] host).\n",
        _MISDIRECTED,
    )


def _without_port(host: str) -> str:
    """Return the host of a Host header; an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
