"""What the demo shows: numbered steps in 80 columns, as clear in a pipe as on a terminal.

Colours only repeat what words say. Texts of invoices come from outside: they are shown without
anything that a terminal would obey.
"""

import json
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.model import HubId, Invoice, State
from bridge.sandbox.demo_plan import Drop
from bridge.sandbox.journal import Request
from bridge.sandbox.legacy_client import Fetched
from bridge.status.words import safe, size

WIDTH = 80
MOST_ROWS = 15
"""Rows of a table; how many more there are is said below it."""

_INDENT = 3
_GAP = 3
"""Columns of the screen between two columns of a table."""
_LONGEST_NUMBER = 20
_GOOD, _BAD, _QUIET, _HEAD = "green", "bold red", "dim", "bold cyan"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; only a cut or wrapped one gives way where the line gets too long."""

    title: str
    right: bool = False
    cut: bool = False
    wrapped: bool = False

    @property
    def gives_way(self) -> bool:
        """Whether it may be narrower than its texts; one column of a table at most."""
        return self.cut or self.wrapped


class Display:
    """Prints the demo, one numbered step after the other."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or _console()
        self._step = 0
        self._begun = True
        """Nothing stands below the step's heading yet."""

    def title(self, text: str, *lines: str) -> None:
        """Say what this is."""
        self._console.print(Text(text, style="bold"))
        for line in lines:
            self._console.print(Text(line))

    def step(self, text: str) -> None:
        """Begin the next step."""
        self._step += 1
        self._console.print()
        self._console.print(Text.assemble((f"{self._step}  ", _HEAD), (text, "bold")))
        self._begun = True

    def say(self, *lines: str, style: str = "") -> None:
        """Print a paragraph of the step."""
        self._block([Text(line, style=style) for line in lines])

    def quote(self, lines: Iterable[str]) -> None:
        """Print the lines of another program; long ones go on further in."""
        self._block([Text(part, style=_QUIET) for line in lines for part in self._folded(line)])

    def verdict(self, text: str, *lines: str, good: bool) -> None:
        """Print the last word."""
        self._console.print()
        self._console.print(Text(text, style=_GOOD if good else _BAD))
        for line in lines:
            self._console.print(Text(line))

    def invoices(self, invoices: Sequence[Invoice]) -> None:
        """Show what the hub has."""
        columns = (
            Column("Hub id"),
            Column("Number"),
            Column("Supplier", cut=True),
            Column("Date"),
            Column("Amount", right=True),
        )
        self._table(columns, [_invoice_cells(invoice) for invoice in invoices])

    def collected(self, files: Sequence[Fetched]) -> None:
        """Show what the client saw in each folder, and took."""
        count = Counter(file.folder for file in files)
        total: Counter[str] = Counter()
        for file in files:
            total[file.folder] += len(file.content)
        columns = (
            Column("Folder"),
            Column("Files", right=True),
            Column("Size", right=True),
            Column("The first of them", cut=True),
        )
        first = {file.folder: file.name for file in reversed(files)}
        rows = [
            (folder, str(count[folder]), size(total[folder]), first[folder]) for folder in count
        ]
        self._table(columns, rows)

    def dropped(self, drops: Mapping[str, Sequence[Drop]]) -> None:
        """Show the state files that the client dropped, by the way they went."""
        columns = (Column("Over"), Column("Invoice"), Column("The state file says", cut=True))
        rows = [(way, it.hub_id, str(it.says)) for way, those in drops.items() for it in those]
        self._table(columns, rows)

    def patches(self, requests: Sequence[Request]) -> None:
        """Show PATCH calls with their bodies, and the hub's answers."""
        columns = (Column("Invoice"), Column("Body of the PATCH", wrapped=True), Column("Answer"))
        self._table(
            columns,
            [(it.hub_id or "", _spaced(it.body), str(it.code or it.status)) for it in requests],
        )

    def states(
        self, expected: Mapping[HubId, State], found: Mapping[HubId, Sequence[State | None]]
    ) -> None:
        """Show the states that each invoice went through."""
        columns = (Column("Invoice"), Column("States at the hub"), Column("As told"))
        rows = []
        for hub_id, state in expected.items():
            walk = " > ".join(each or "?" for each in found[hub_id] if each is not State.SENT)
            right = bool(found[hub_id]) and found[hub_id][-1] is state
            rows.append((hub_id, walk, "yes" if right else f"NO: {state}"))
        self._table(columns, rows)

    def _table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        if not rows:
            self.say("(nothing)", style=_QUIET)
            return
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style=_QUIET)
        shown = rows[:MOST_ROWS]
        for column, width in zip(columns, self._widths(columns, shown), strict=True):
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                no_wrap=not column.wrapped,
                overflow="ellipsis" if column.cut else "fold",
                width=width,
            )
        for row in shown:
            table.add_row(*(Text(cell) for cell in row))
        more = len(rows) - len(shown)
        self._block([table, *([Text(f"… and {more} more", style=_QUIET)] if more else [])])

    def _widths(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
        """Return as much as each column needs; the one that gives way has what is left."""
        texts = [(column.title, *(row[at] for row in rows)) for at, column in enumerate(columns)]
        widths = [max(map(cell_len, cells)) for cells in texts]
        excess = sum(widths) + _GAP * (len(columns) - 1) - (self._console.width - _INDENT)
        return [
            max(width - max(excess, 0), len(column.title)) if column.gives_way else width
            for column, width in zip(columns, widths, strict=True)
        ]

    def _block(self, parts: Sequence[Text | Table]) -> None:
        """Print parts indented, after a blank line unless they are the first of the step."""
        if not self._begun:
            self._console.print()
        self._begun = False
        options = self._console.options.update(width=self._console.width - _INDENT)
        for part in parts:
            for line in self._console.render_lines(part, options, pad=False):
                text = Text(" " * _INDENT)
                for segment in line:
                    text.append(segment.text, segment.style)
                text.rstrip()
                self._console.print(text, soft_wrap=True)

    def _folded(self, line: str) -> list[str]:
        """Return a line in parts that fit; those after the first stand further in."""
        margin = " " * (len(line) - len(line.lstrip()) + 4)
        width = self._console.width - _INDENT
        return textwrap.wrap(line.rstrip(), width, subsequent_indent=margin) or [""]


def _console() -> Console:
    """Return a console of 80 columns, which writes what the terminal can; the rest is `?`."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    return Console(highlight=False, width=WIDTH)


def _invoice_cells(invoice: Invoice) -> tuple[str, ...]:
    amount = "" if invoice.amount is None else f"{invoice.amount:,.2f}"
    day = invoice.issue_date.isoformat() if invoice.issue_date else ""
    number, supplier = safe(invoice.number or ""), safe(invoice.supplier_name or "")
    if len(number) > _LONGEST_NUMBER:
        number = f"{number[: _LONGEST_NUMBER - 1]}…"
    return (invoice.hub_id, number, supplier, day, amount)


def _spaced(body: str) -> str:
    """Return a JSON body with room for line breaks."""
    return safe(json.dumps(json.loads(body), ensure_ascii=False))
