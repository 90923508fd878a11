"""Whether a password is right: asked of argon2, a few at a time, and remembered for minutes."""

import os
import threading
from collections.abc import Callable
from hashlib import blake2b

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

_REMEMBERED = 300.0
"""Seconds for which a password that was right needs no second argon2 run."""

_VERIFYING_AT_ONCE = 2
"""argon2 takes 64 MiB a run; more at once would let strangers fill the memory."""


class Passwords:
    """Checks passwords; a right one is remembered for minutes, as a keyed hash in memory only."""

    def __init__(self, clock: Callable[[], float], *, like: str | None) -> None:
        self._clock = clock
        cost = extract_parameters(like) if like else RFC_9106_LOW_MEMORY
        self._hasher = PasswordHasher.from_parameters(cost)
        self._nobody = self._hasher.hash(os.urandom(16))
        self._key = os.urandom(32)
        self._known: dict[bytes, float] = {}
        # Each door waits for its own: guessing at one must not slow down the other.
        self._slots = {
            door: threading.BoundedSemaphore(_VERIFYING_AT_ONCE) for door in ("sftp", "ftp")
        }

    def remembers(self, user: str, expected: str, password: bytes) -> bool:
        """Tell whether the password was right some minutes ago."""
        mark = self._mark(user, expected, password)
        return self._known.get(mark, float("-inf")) > self._clock()

    def match(
        self,
        user: str,
        expected: str,
        password: bytes,
        *,
        protocol: str,
        give_up: Callable[[], bool],
    ) -> bool:
        """Tell whether the password fits the hash; an empty hash fits none, at the same cost.

        `give_up` is asked when it is this password's turn: False then, without a look at it.
        """
        if self.remembers(user, expected, password):
            return True
        with self._slots[protocol]:
            if give_up():
                return False
            right = any(
                self._verify(expected or self._nobody, text) for text in _readings(password)
            )
        if right and expected:
            self._known = {key: end for key, end in self._known.items() if end > self._clock()}
            self._known[self._mark(user, expected, password)] = self._clock() + _REMEMBERED
        return right and bool(expected)

    def _verify(self, expected: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(expected, password)
        except (VerificationError, InvalidHashError):
            return False

    def _mark(self, user: str, expected: str, password: bytes) -> bytes:
        text = b"\0".join([os.fsencode(user), expected.encode(), password])
        return blake2b(text, key=self._key).digest()


def _readings(password: bytes) -> list[bytes]:
    """Return the password as sent and, where that is no UTF-8, as Latin-1 read (old clients)."""
    try:
        password.decode("utf-8")
    except UnicodeDecodeError:
        return [password, password.decode("latin-1").encode("utf-8")]
    return [password]
