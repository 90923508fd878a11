"""The token that opens the hub: made for one request, never stored, never logged.

Header `{"alg":"HS256","typ":"JWT"}`; claims `iss`, `aud`, `iat`, `nbf`, `exp` and no others
(hub-rest-api, "Authentication").
"""

import json
from datetime import datetime

from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm
from pydantic import SecretStr

AUDIENCE = "efact"


class _HubKey(HMACAlgorithm):
    """HS256 with the key that the hub gave out, whatever it looks like.

    PyJWT warns of short keys and refuses those that look like JSON or PEM. Nobody here can choose
    another key, so a warning helps no one and a refusal would lock the account out.
    """

    def prepare_key(self, key: str | bytes) -> bytes:
        return key.encode() if isinstance(key, str) else key

    def check_key_length(self, key: bytes) -> str | None:
        return None


class Tokens:
    """Makes tokens for one account."""

    def __init__(self, *, issuer: str, secret: SecretStr, lifetime: float) -> None:
        """Take the account's user code and key, and how many seconds a token lives."""
        self._issuer = issuer
        self._secret = secret
        self._lifetime = max(1, int(lifetime))
        self._jws = PyJWS(algorithms=[])
        self._jws.register_algorithm("HS256", _HubKey(HMACAlgorithm.SHA256))

    def use(self, secret: SecretStr) -> None:
        """Sign with another key from now on."""
        self._secret = secret

    def fresh(self, now: datetime) -> str:
        """Return a token that is valid from `now`, by the hub's clock, for its lifetime."""
        issued = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "iat": issued,
            "nbf": issued,
            "exp": issued + self._lifetime,
        }
        payload = json.dumps(claims, separators=(",", ":")).encode()
        return self._jws.encode(payload, self._secret.get_secret_value(), algorithm="HS256")
