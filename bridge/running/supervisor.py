"""Keeping components running: one thread each, one stop event, restarts with backoff."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bridge.account import utc_now
from bridge.backoff import delay
from bridge.errors import BridgeError
from bridge.ledger import Ledger, components

log = structlog.get_logger()

FIRST_RESTART, LAST_RESTART = 1, 60
"""Seconds before a component that failed is started again; it doubles in between."""

STEADY = 300
"""Seconds after which a component that runs counts as healthy again."""


@dataclass(frozen=True, slots=True)
class Component:
    """A part of `serve`: `run` returns when the stop event is set, or raises."""

    name: str
    run: Callable[[threading.Event], None]


class Supervisor:
    """Runs components until the stop event is set, and writes down how they are."""

    def __init__(self, ledger: Ledger, stop: threading.Event) -> None:
        self._ledger = ledger
        self._stop = stop
        self._threads: list[threading.Thread] = []

    def start(self, component: Component) -> None:
        """Run a component in a thread of its own."""
        thread = threading.Thread(
            target=self._keep_running, args=(component,), name=component.name, daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def join(self, *, patience: float) -> bool:
        """Wait for every component to end; return whether all did within that many seconds."""
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))
        return not self.running()

    def running(self) -> list[str]:
        """Return the names of the components that have not ended."""
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _keep_running(self, component: Component) -> None:
        failures = 0
        while not self._stop.is_set():
            began = time.monotonic()
            self._note(component, error=None, restarts=failures)
            try:
                component.run(self._stop)
            except Exception as error:
                # Whatever it is, the other components go on and this one gets another chance.
                failures = 1 if time.monotonic() - began > STEADY else failures + 1
                self._report(component, error, failures)
                wait = delay(failures, initial=FIRST_RESTART, most=LAST_RESTART)
                self._stop.wait(wait.total_seconds())

    def _report(self, component: Component, error: Exception, failures: int) -> None:
        if isinstance(error, BridgeError):
            log.error("component failed", component=component.name, reason=str(error))
        else:
            log.exception("component failed", component=component.name)
        self._note(component, error=str(error) or type(error).__name__, restarts=failures)

    def _note(self, component: Component, *, error: str | None, restarts: int) -> None:
        try:
            with self._ledger.write() as connection:
                components.note(
                    connection, component.name, error=error, restarts=restarts, at=utc_now()
                )
        except Exception as problem:
            # Whatever it is: a component that cannot be noted must run all the same.
            log.error("the ledger cannot be written", reason=str(problem))
