"""How long to wait before the next try: doubling, with jitter, up to a limit."""

import random
from datetime import timedelta


def delay(attempts: int, *, initial: float, most: float, jitter: float | None = None) -> timedelta:
    """Return the wait after this many failed attempts (from 1).

    `initial` and `most` are in seconds. `jitter`, from 0 to 1, picks a point in the upper half of
    the wait, so that what failed together is not tried together; by default it is random.
    """
    spread = random.random() if jitter is None else jitter  # noqa: S311  (no secret hangs on it)
    whole = min(most, initial * 2.0 ** min(attempts - 1, 30))
    return timedelta(seconds=whole * (0.5 + spread / 2))
