"""A plain caller of the sandbox: httpx and a token, nothing of ours in between."""

import json
import time
from types import TracebackType
from typing import Any, Self

import httpx
import jwt

from bridge.sandbox.server import Sandbox


class Caller:
    """Calls one sandbox with a fresh token each time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._http = httpx.Client(timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def token(self, *, secret: str | None = None, **changes: Any) -> str:
        """Return a token; `changes` replace claims, None leaves one out."""
        now = int(time.time())
        claims = {"iss": self.sandbox.issuer, "aud": "efact", "iat": now, "nbf": now}
        claims |= {"exp": now + 60} | changes
        kept = {name: value for name, value in claims.items() if value is not None}
        # Not jwt.encode: that refuses to write some of the wrong claims that tests need.
        payload = json.dumps(kept).encode()
        return jwt.api_jws.encode(payload, secret or self.sandbox.secret, "HS256")

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call an operation; `authorization` replaces the header, None leaves it out."""
        headers = {}
        authorization = options.pop("authorization", f"Bearer {self.token()}")
        if authorization is not None:
            headers["Authorization"] = authorization
        return self._http.request(
            method, f"{self.sandbox.base_url}{path}", headers=headers, **options
        )

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET an operation."""
        return self.call("GET", path, **options)

    def patch(self, hub_id: str, **fields: Any) -> httpx.Response:
        """PATCH an invoice."""
        return self.call("PATCH", f"/factura/{hub_id}", json=fields)

    def control(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the control interface, without a token."""
        return self._http.request(method, f"{self.sandbox.control_url}{path}", **options)


def code_of(answer: httpx.Response) -> tuple[int, int]:
    """Return the HTTP status and the hub's error code of an answer."""
    body = answer.json()
    assert set(body) == {"codiError", "descripcioError"}
    assert body["descripcioError"]
    return answer.status_code, body["codiError"]
