"""The token check, to the letter (hub-rest-api, "Authentication").

Checks run in the order of this page's rows; the first that fails names the error. The signature
comes right after the user: nothing else of a token that the secret did not sign is believed.
What is no JWT at all counts as no token (1001); an algorithm other than HS256 cannot have been
signed with the secret as agreed (1012). Times are compared without leeway.
"""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from bridge.sandbox.codes import HubRefusalError

AUDIENCE = "efact"
LONGEST_LIFETIME = 300
"""Seconds between `iat` and `exp`."""

_TIMES = (("exp", 1004), ("iat", 1005), ("nbf", 1006))


def check_token(authorization: str | None, *, issuer: str, secret: str, now: float) -> None:
    """Return when an `Authorization` header lets its bearer in; `now` is in epoch seconds.

    Raises HubRefusalError with a code from 1001 to 1012.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise HubRefusalError(1001)
    signed, header, claims, signature = _parts(token.strip())
    _check_user(claims.get("iss"), issuer)
    if header.get("alg") != "HS256" or not _signed(signed, signature, secret):
        raise HubRefusalError(1012)
    _check_claims(claims, now)


def _parts(token: str) -> tuple[bytes, dict[str, Any], dict[str, Any], bytes]:
    """Take a JWT apart: the signed bytes, the header, the claims and the signature."""
    try:
        head, body, signature = token.encode("ascii").split(b".")
        header, claims = json.loads(_decode(head)), json.loads(_decode(body))
        decoded = _decode(signature)
    except (ValueError, RecursionError) as error:
        raise HubRefusalError(1001) from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise HubRefusalError(1001)
    return head + b"." + body, header, claims, decoded


def _decode(part: bytes) -> bytes:
    try:
        return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def _check_user(user: object, issuer: str) -> None:
    if not user:
        raise HubRefusalError(1002)
    if user != issuer:
        raise HubRefusalError(1003)


def _signed(signed: bytes, signature: bytes, secret: str) -> bool:
    expected = hmac.digest(secret.encode(), signed, hashlib.sha256)
    return hmac.compare_digest(expected, signature)


def _check_claims(claims: dict[str, Any], now: float) -> None:
    for claim, code in _TIMES:
        value = claims.get(claim)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise HubRefusalError(code)
    if not claims.get("aud"):
        raise HubRefusalError(1007)
    verdicts = (
        (now >= claims["exp"], 1008),
        (now < claims["nbf"], 1009),
        (claims["exp"] - claims["iat"] > LONGEST_LIFETIME, 1010),
        (claims["aud"] != AUDIENCE, 1011),
    )
    for wrong, code in verdicts:
        if wrong:
            raise HubRefusalError(code)
