"""How far a long report has come, for people at a terminal; nothing at all elsewhere."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from reconcile.language import Language, Message


class Step(StrEnum):
    """What a report is made of, in order."""

    READING_LEGACY = "reading-legacy"
    READING_REST = "reading-rest"
    COMPARING = "comparing"
    LOOKING_AGAIN = "looking-again"
    WRITING = "writing"


_SAYS: Mapping[Step, Message] = {
    Step.READING_LEGACY: Message("Reading the old mailbox"),
    Step.READING_REST: Message("Reading the REST side"),
    Step.COMPARING: Message("Comparing"),
    Step.LOOKING_AGAIN: Message("Looking at findings again"),
    Step.WRITING: Message("Writing the report"),
}


class Shown:
    """The display: each step has a line, with a bar once its size is known."""

    def __init__(self, display: Progress, language: Language) -> None:
        self._display = display
        self._language = language
        self._task = None if display.disable else display.add_task("", visible=False)

    def begin(self, step: Step, total: int | None = None) -> None:
        """Go on to a step of so many invoices or files; None: not known."""
        if self._task is None:
            return
        self._finish()
        says = self._language.say(_SAYS[step])
        self._task = self._display.add_task(says, total=total)

    def advance(self, count: int = 1) -> None:
        """Say that so many more are done."""
        if self._task is not None:
            self._display.advance(self._task, count)

    def _finish(self) -> None:
        for task in self._display.tasks:
            self._display.update(task.id, total=max(task.completed, 1), completed=task.completed)
            self._display.stop_task(task.id)


@contextmanager
def progress(language: Language, *, stream: TextIO) -> Iterator[Shown]:
    """Give a display on `stream` (standard error), which is silent unless that is a terminal."""
    console = Console(file=stream)
    display = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with display:
        yield Shown(display, language)
