"""The sandbox from the command line: start, say what to connect to, serve until told to stop."""

import hashlib
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from argon2 import PasswordHasher
from rich.console import Console

from bridge.sandbox.server import Sandbox


def run_sandbox(
    *,
    port: int = 0,
    seed: int = 1,
    invoices: int = 12,
    facturae: Path | None = None,
    faults: str = "",
    mix: str = "",
    old_mailbox_port: int = 0,
    console: Console | None = None,
) -> None:
    """Serve a sandbox with its old mailbox until SIGINT or SIGTERM; for the main thread only.

    Raises PortTakenError, StorageError, or SettingsError (the folder of invoices, faults, mix).
    """
    sandbox = Sandbox(
        port=port,
        seed=seed,
        invoices=invoices,
        facturae=facturae,
        faults=faults,
        mix=mix,
        old_mailbox=True,
        old_mailbox_port=old_mailbox_port,
    )
    console = console or Console()
    with _told_to_stop() as stop, sandbox:
        console.print(describe(sandbox), markup=False, highlight=False, soft_wrap=True)
        console.print("ready", highlight=False)
        while not stop.wait(1):  # a signal can be caught by another thread, which wakes nobody
            pass


def describe(sandbox: Sandbox) -> str:
    """Return what somebody needs to connect: lines to read, a command and settings to paste.

    The secrets in it belong to the seed and open nothing but a sandbox.
    """
    old = sandbox.old_mailbox
    assert old is not None
    password = _password_of(sandbox)
    return f"""\
REST API     {sandbox.base_url}
user         {sandbox.issuer}
secret       {sandbox.secret}
control      {sandbox.control_url}
old mailbox  {old.url}
password     {old.password}
host key     {old.host_key}
invoices     {len(sandbox.book.hub_ids)}

The secret's file, in the folder of the settings:

(umask 077; echo '{sandbox.secret}' > sandbox.secret)

For efact-bridge.toml:

data_dir = "data"

[hub]
base_url = "{sandbox.base_url}"

[[account]]
name = "sandbox"
issuer = "{sandbox.issuer}"
secret_file = "sandbox.secret"
serve = "rest"

# The old mailbox beside it, to be recorded and compared. Its password's file:
# (umask 077; echo '{old.password}' > sandbox-old.password)
#shadow = "legacy"

#[account.legacy]
#url = "{old.url}"
#password_file = "sandbox-old.password"
#host_key = "{old.host_key}"

# Who may log in to the mailbox at the bridge: rcf, with the password {password}
[[account.user]]
name = "rcf"
password_hash = "{PasswordHasher().hash(password)}"
"""


def _password_of(sandbox: Sandbox) -> str:
    """Return the password of the user in the printed settings, the same for the same seed."""
    return hashlib.sha256(f"mailbox {sandbox.secret}".encode()).hexdigest()[:20]


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set; the handlers of before come back afterwards."""
    stop = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
