"""The power fails: from a durable step on, this process does nothing durable any more.

Unlike a kill it needs no new process, so that a random history can have many of them; what was
open is opened anew afterwards, as after a start.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from sqlalchemy import Connection

from bridge.ledger import Ledger
from tests.crashing import STEPS


class PowerFailure(BaseException):
    """The end of the process; no code of ours may catch it."""


@contextmanager
def power_for(steps: int) -> Iterator[None]:
    """Let so many durable steps happen, and nothing after them; the block just ends then."""
    left = count(steps, -1)
    real = {name: getattr(owner, method) for name, (owner, method) in STEPS.items()}

    def spend() -> None:
        if next(left) <= 0:
            raise PowerFailure

    def step(name: str) -> Any:
        def limited(*args: Any, **options: Any) -> Any:
            spend()
            return real[name](*args, **options)

        return limited

    @contextmanager
    def transaction(ledger: Ledger) -> Iterator[Connection]:
        with real["ledger"](ledger) as connection:
            yield connection
            spend()

    for name, (owner, method) in STEPS.items():
        setattr(owner, method, transaction if name == "ledger" else step(name))
    try:
        yield
    except PowerFailure:
        pass
    finally:
        for name, (owner, method) in STEPS.items():
            setattr(owner, method, real[name])
