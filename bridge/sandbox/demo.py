"""`demo`: the whole round on this machine, from the hub to old software and back.

The pretend hub runs in this process, the bridge as the process that a user would start, the old
client talks to it over SFTP and FTP. The bridge listens to the sandbox's old mailbox, the parallel
delivery, and a report compares both feeds. Everything is gone at the end, however it
ends: files in one temporary folder, the bridge's process, the listeners.
"""

import logging
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from bridge.errors import BridgeError
from bridge.sandbox.demo_display import Display
from bridge.sandbox.demo_gateway import Gateway
from bridge.sandbox.demo_story import Story
from bridge.sandbox.server import Sandbox
from bridge.status.words import counted

INVOICES = 8

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a program: Ctrl+C, `kill`, a terminal that is closed."""


def run_demo(facturae: Path | None = None) -> bool:
    """Run and show the round; return whether both feeds agree and the hub knows what it should.

    For the main thread. `facturae` names a folder of real files to deliver. Raises SettingsError
    for a folder without invoices, DemoError or LegacyClientError when the round gets stuck, and
    KeyboardInterrupt, after everything is put away, on SIGINT, SIGTERM and SIGHUP.
    """
    began, display = time.monotonic(), Display()
    with _interruptible(display):
        problems = _tell(display, facturae)
    took = f"{time.monotonic() - began:.1f} s; nothing of it is left on this machine."
    if problems:
        said = f"NOT EVERYTHING AGREES: {counted(len(problems), 'problem')}"
        display.verdict(said, *problems, took, good=False)
    else:
        said = "Both feeds agree, and the hub knows all that the client told."
        display.verdict(said, took, good=True)
    return not problems


def _tell(display: Display, facturae: Path | None) -> list[str]:
    """Run the round with everything that it needs; return what is not as it should be."""
    with _temporary_folder() as base:
        sandbox = Sandbox(
            invoices=INVOICES,
            facturae=facturae,
            old_mailbox=True,
            old_mailbox_folder=base / "old-mailbox",
        )
        with _logging_to(base / "hub.log"), sandbox:
            gateway = Gateway(base / "bridge", sandbox)
            story = Story(sandbox=sandbox, gateway=gateway, display=display)
            with _explained(display, gateway):
                return story.tell(facturae)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = tempfile.mkdtemp(prefix="efact-demo-")
    try:
        yield Path(folder)
    finally:
        _ignore_signals()
        shutil.rmtree(folder)


@contextmanager
def _explained(display: Display, gateway: Gateway) -> Iterator[None]:
    """Show the end of the bridge's log when the round gets stuck: the log goes away with it."""
    try:
        yield
    except BridgeError:
        if lines := gateway.log_tail():
            display.step("The round got stuck; the last lines of the bridge's log")
            display.quote(lines)
        raise


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Send what this process logs (the pretend hub, its old mailbox) to a file."""
    root = logging.getLogger()
    before = root.handlers
    handler = logging.FileHandler(path, encoding="utf-8")
    if before:
        handler.setFormatter(before[0].formatter)
    root.handlers = [handler]
    try:
        yield
    finally:
        root.handlers = before
        handler.close()


@contextmanager
def _interruptible(display: Display) -> Iterator[None]:
    """Let each signal that ends a program interrupt the block once, and say when all is away."""
    before = {
        each: handler
        for each in _ENDING
        if (handler := signal.getsignal(each)) is not signal.SIG_IGN
    }

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        raise KeyboardInterrupt

    for each in before:
        signal.signal(each, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        display.verdict("Stopped; nothing is left running and nothing is left on disk.", good=False)
        raise
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _ignore_signals() -> None:
    """Let nothing cut short that things are put away: it is quick."""
    for each in _ENDING:
        signal.signal(each, signal.SIG_IGN)
