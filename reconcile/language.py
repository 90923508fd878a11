"""English, Catalan and Spanish: sentences, numbers, dates and durations as each writes them.

A sentence stands in English in the code, as a `Message`, and in `reconcile/locale/*.po` in the
other languages; `make messages` carries new ones there. The catalogues are read as they are when
they are wanted, so that nothing has to be compiled and nothing can be out of date. Words of
machines (`only-rest`, ANNOTATED, the names of settings and commands) are the same everywhere.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LANGUAGES = ("en", "ca", "es")
LOCALE_FOLDER = Path(__file__).parent / "locale"
ZONE = ZoneInfo("Europe/Madrid")
"""The hub's, and that of every date and time in a report."""

_TERRITORY = {"en": "GB", "ca": "ES", "es": "ES"}
_DAY = {"en": "yyyy-MM-dd", "ca": "dd/MM/yyyy", "es": "dd/MM/yyyy"}
_DIGITS = 20
"""Before the comma; what is longer is no amount, and would be a very long text."""

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_DAYS_FROM = 2 * 86400
"""Seconds; what is shorter is told in hours: 24 h, 36 h."""


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence to be translated, with `{places}` for values; `many` where it counts {count}."""

    one: str
    many: str | None = None


Value = str | int | float | Decimal | date | datetime
"""What can stand in a sentence; all but texts are written as the language does."""


class Language:
    """One of the languages; use `language()`."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._locale = Locale(code, _TERRITORY[code])
        self._translations = _translations(code)

    def say(self, what: Message | str, /, *, count: int | None = None, **values: Value) -> str:
        """Return a sentence with its values filled in."""
        message = Message(what) if isinstance(what, str) else what
        if message.many is None or count is None:
            text = self._translations.gettext(message.one)
        else:
            text = self._translations.ngettext(message.one, message.many, count)
        if count is not None:
            values = {"count": count, **values}
        if not values:
            return text
        return text.format_map({name: self.value(value) for name, value in values.items()})

    def value(self, value: Value) -> str:
        """Return a value in its usual form."""
        if isinstance(value, str):
            return value
        if isinstance(value, datetime):
            return self.moment(value)
        if isinstance(value, date):
            return self.day(value)
        return self.number(value)

    def number(self, value: float | Decimal) -> str:
        """Return a number with the language's separators."""
        return format_decimal(value, locale=self._locale)

    def share(self, part: int, whole: int) -> str:
        """Return a share in percent; a share that is not nothing never shows as 0, nor as 100."""
        if whole == 0:
            return "–"
        percent = Decimal(100 * part) / whole
        least = Decimal("0.1")
        if 0 < percent < least:
            return f"< {self.number(least)} %"
        if 100 - least < percent < 100:  # noqa: PLR2004  (percent)
            return f"> {self.number(100 - least)} %"
        return f"{format_decimal(percent, '#,##0.#', locale=self._locale)} %"

    def amount(self, text: str) -> str:
        """Return an amount with at least two decimals; what is no number stays as it is."""
        try:
            amount = Decimal(text)
        except InvalidOperation:
            return text
        if not amount.is_finite() or abs(amount.adjusted()) > _DIGITS:
            return text
        return format_decimal(amount, "#,##0.00######", locale=self._locale)

    def day(self, value: date) -> str:
        """Return a date for a table."""
        return format_date(value, _DAY[self.code], locale=self._locale)

    def long_day(self, value: date) -> str:
        """Return a date as it stands in a letter."""
        return format_date(value, "long", locale=self._locale)

    def short_day(self, value: date) -> str:
        """Return day and month, for the axis of a chart."""
        return format_skeleton("MMMd", value, locale=self._locale)

    def moment(self, value: datetime) -> str:
        """Return a date and time in Madrid, to the minute."""
        return format_datetime(value, f"{_DAY[self.code]} HH:mm", tzinfo=ZONE, locale=self._locale)

    def duration(self, seconds: float) -> str:
        """Return a duration in two units at most: `40 s`, `3 h 12 min`, `24 h`, `2 d 3 h`."""
        rest, parts = round(abs(seconds)), []
        units = _UNITS if rest >= _DAYS_FROM else _UNITS[1:]
        for unit, length in units:
            count, rest = divmod(rest, length)
            if count:
                parts.append(f"{self.number(count)} {unit}")
            elif parts:
                break
        sign = "−" if seconds < 0 and parts else ""
        return sign + (" ".join(parts[:2]) or "0 s")

    def names(self, names: Iterable[str], *, last: Literal["and", "or"] = "and") -> str:
        """Return a list of names: `A, B and C`, or `A, B or C`."""
        style: Literal["standard", "or"] = "standard" if last == "and" else "or"
        return format_list(list(names), style, locale=self._locale)


@cache
def language(code: str) -> Language:
    """Return a language by its code; raises ValueError for another one than `LANGUAGES`."""
    if code not in LANGUAGES:
        raise ValueError(f"{code!r} is none of {', '.join(LANGUAGES)}")
    return Language(code)


def catalogue(code: str) -> Path:
    """Return where the sentences of a language stand."""
    return LOCALE_FOLDER / f"{code}.po"


def _translations(code: str) -> NullTranslations:
    if code == "en":
        return NullTranslations()
    with catalogue(code).open("rb") as file:
        read = read_po(file, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    return GNUTranslations(compiled)
