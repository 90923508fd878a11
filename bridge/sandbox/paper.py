"""What stands on a generated invoice: numbers first, files from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby

from bridge.sandbox.parties import Supplier, TownHall

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an invoice; a credit note has negative quantities."""

    description: str
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal

    @property
    def gross(self) -> Decimal:
        """The amount before tax, in whole cents."""
        return cents(self.quantity * self.unit_price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """The tax at one rate."""

    rate: Decimal
    base: Decimal

    @property
    def amount(self) -> Decimal:
        """The tax, in whole cents."""
        return cents(self.base * self.rate / 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """An invoice as its issuer wrote it."""

    version: str
    """Of Facturae: `3.2`, `3.2.1` or `3.2.2`."""
    number: str
    series: str | None
    issue_date: date
    supplier: Supplier
    receiver: TownHall
    accounting_office: str
    lines: tuple[Line, ...]
    corrects: str | None = None
    """The number of the invoice that this credit note corrects."""
    signed: bool = True
    prefix: str = "fe"
    iban: str = ""

    @property
    def taxes(self) -> tuple[Tax, ...]:
        """The taxes by rate."""
        lines = sorted(self.lines, key=lambda line: line.tax_rate)
        groups = groupby(lines, key=lambda line: line.tax_rate)
        return tuple(Tax(rate=rate, base=sum_of(group)) for rate, group in groups)

    @property
    def gross(self) -> Decimal:
        """The total before tax."""
        return sum_of(self.lines)

    @property
    def tax(self) -> Decimal:
        """The total of the tax."""
        return sum((tax.amount for tax in self.taxes), Decimal("0.00"))

    @property
    def total(self) -> Decimal:
        """The total of the invoice."""
        return self.gross + self.tax


def cents(amount: Decimal) -> Decimal:
    """Return an amount in whole cents, rounded as an invoice is."""
    return amount.quantize(_CENT, ROUND_HALF_UP)


def sum_of(lines: Iterable[Line]) -> Decimal:
    """Return the sum of the lines before tax."""
    return sum((line.gross for line in lines), Decimal("0.00"))
