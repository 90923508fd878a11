"""A process that breaks off: from some durable step on it does nothing durable any more.

Unlike a real kill (see `crashing`) it needs no new process, so that one random history can have
many of them; what was open is opened anew afterwards, as after a start.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from sqlalchemy import Connection

from bridge.archive import Archive
from bridge.aside import Aside
from bridge.feeds.legacy.folder import WritableFolderLine
from bridge.hub import HubClient
from bridge.ledger import Ledger
from bridge.mailbox import Mailbox
from bridge.statin import Statin
from reconcile.moves.folder import Target

STEPS: tuple[tuple[type, str], ...] = (
    (Archive, "keep"),
    (Mailbox, "make_ready"),
    (Mailbox, "show"),
    (Mailbox, "sync"),
    (Statin, "keep"),
    (Statin, "remove"),
    (Mailbox, "take_back"),
    (Aside, "take"),
    (Aside, "bring_back"),
    (Aside, "let_go"),
    (WritableFolderLine, "write"),
    (WritableFolderLine, "rename"),
    (WritableFolderLine, "remove"),
    (Target, "_put"),
    (HubClient, "patch"),
    (HubClient, "drop_pending_attachment"),
    (HubClient, "facturae"),
)
"""What it does no more, beside writing into the ledger."""


class BrokenOff(BaseException):
    """The end of the process; no code of ours may catch it."""


@contextmanager
def broken_off_after(steps: int) -> Iterator[None]:
    """Let so many durable steps happen, and nothing after them; the block just ends then."""
    left = count(steps, -1)
    real = [getattr(owner, name) for owner, name in STEPS]
    write = Ledger.write

    def spend() -> None:
        if next(left) <= 0:
            raise BrokenOff

    def limited(step: Any) -> Any:
        def once(*args: Any, **options: Any) -> Any:
            spend()
            return step(*args, **options)

        return once

    @contextmanager
    def limited_write(ledger: Ledger) -> Iterator[Connection]:
        with write(ledger) as connection:
            yield connection
            spend()

    for (owner, name), step in zip(STEPS, real, strict=True):
        setattr(owner, name, limited(step))
    Ledger.write = limited_write  # type: ignore[method-assign]
    try:
        yield
    except BrokenOff:
        pass
    finally:
        for (owner, name), step in zip(STEPS, real, strict=True):
            setattr(owner, name, step)
        Ledger.write = write  # type: ignore[method-assign]
