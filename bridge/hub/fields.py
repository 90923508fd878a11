"""The hub's JSON, field by field, read with tolerance: what cannot be read counts as missing."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from bridge.model import State

Row = Mapping[str, object]

_ZONE = ZoneInfo("Europe/Madrid")  # the hub's, for a time that comes without one
_YEARS = range(1900, 9999)  # outside, a change of time zone could leave what datetime can hold
_DIGITS = 30  # of an amount: a hostile exponent would fill the memory when it is printed
_CODE_DIGITS = 9
_NUMBERS = frozenset({int, Decimal})  # and not bool, which is an int as well
_LONGEST_TEXT = 500  # characters of the hub's text that go into messages and answers


class NotAnAnswerError(ValueError):
    """The answer is not what was asked for; the text says what is wrong with it."""


class NotJsonError(NotAnAnswerError):
    """The answer is no JSON, so that it is hardly the hub's."""


def read_json(body: bytes, charset: str | None = None) -> object:
    """Return the JSON value of a body, decimals exact; raises NotJsonError if it is none."""
    try:
        return _load(body)
    except UnicodeDecodeError:  # JSON is UTF-8, but not every server knows
        pass
    try:
        return _load(body.decode(charset or "latin-1"))
    except (UnicodeDecodeError, LookupError) as error:
        raise NotJsonError("it is no text") from error


def _load(body: bytes | str) -> object:
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=lambda _: None)
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise NotJsonError("it is no JSON") from error


def read_object(body: bytes, charset: str | None = None) -> Row:
    """Return the JSON object of a body; raises NotAnAnswerError if it is none."""
    value = read_json(body, charset)
    if not isinstance(value, dict):
        raise NotAnAnswerError("it is no JSON object")
    return value


def hub_error(value: object) -> tuple[int, str] | None:
    """Return code and text of an error in the hub's form, or None if this is none."""
    if not isinstance(value, dict):
        return None
    code = text(value, "codiError") or ""
    if not (code.isascii() and code.isdigit() and len(code) <= _CODE_DIGITS):
        return None
    return int(code), (text(value, "descripcioError") or "")[:_LONGEST_TEXT]


def text(row: Row, *names: str) -> str | None:
    """Return the first of these fields that has a text or a number, as text; None if none has.

    What no database takes (NUL, half of a surrogate pair) is left out or replaced.
    """
    for name in names:
        value = row.get(name)
        if type(value) in _NUMBERS:
            value = str(value)
        if isinstance(value, str):
            clean = value.replace("\0", "").encode(errors="replace").decode().strip()
            if clean:
                return clean
    return None


def yes(row: Row, name: str) -> bool | None:
    """Return a field that says yes or no, or None where it says neither."""
    value = row.get(name)
    return value if isinstance(value, bool) else _WORDS.get((text(row, name) or "").lower())


_WORDS = {"true": True, "1": True, "false": False, "0": False}


def amount(row: Row, name: str) -> Decimal | None:
    """Return a sum of money, exact."""
    try:
        value = Decimal(text(row, name) or "")
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value.adjusted()) < _DIGITS else None


def state(word: str | None) -> State | None:
    """Return the state of that name, or None if we know none."""
    try:
        return State((word or "").upper())
    except ValueError:
        return None


def day(row: Row, name: str) -> date | None:
    """Return a date; of a date-time, its day."""
    try:
        value = date.fromisoformat((text(row, name) or "")[:10])
    except ValueError:
        return None
    return value if value.year in _YEARS else None


def moment(row: Row, name: str) -> datetime | None:
    """Return a date-time with its zone, with or without milliseconds."""
    try:
        value = datetime.fromisoformat(text(row, name) or "")
    except ValueError:
        return None
    if value.year not in _YEARS:
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=_ZONE)
