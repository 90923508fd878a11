"""Dates and times as state messages bear them: read from sloppy forms, written in one."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

MADRID = ZoneInfo("Europe/Madrid")
"""The zone of a time that bears none."""

_YEAR_FIRST = r"(?P<y>[0-9]{4})[-/](?P<m>[0-9]{1,2})[-/](?P<d>[0-9]{1,2})"
_TIME = r"(?P<h>[0-9]{1,2}):(?P<min>[0-9]{2})(?::(?P<s>[0-9]{2})(?:[.,](?P<f>[0-9]+))?)?"
_ZONE = r"(?:(?P<utc>[Zz])|(?P<sign>[+-])(?P<zh>[0-9]{2}):?(?P<zm>[0-9]{2}))"
_TIME_FORMS = tuple(
    re.compile(rf"{day}(?:(?:[Tt]|\s+){_TIME})?\s*{_ZONE}?")
    for day in (
        _YEAR_FIRST,
        r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})",
        r"(?P<d>[0-9]{1,2})[-/.](?P<m>[0-9]{1,2})[-/.](?P<y>[0-9]{4})",
    )
)

_YEARS = range(1902, 9999)
"""Other years are placeholders: software writes 0001-01-01 for a date that it does not have."""


def read_time(text: str | None) -> datetime | None:
    """Return the aware time of a sloppy xs:dateTime, or None where there is no telling.

    Taken are dates alone (midnight in Madrid, whatever their zone), times with and without seconds,
    fractions and zone (none means Madrid), and days written 31/12/2024.
    """
    match = _match_time(text)
    if match is None:
        return None
    part = match.groupdict()
    try:
        day = datetime(int(part["y"]), int(part["m"]), int(part["d"]), tzinfo=MADRID)
        if part["h"] is None:
            return day
        return day.replace(
            hour=int(part["h"]),
            minute=int(part["min"]),
            second=int(part["s"] or 0),
            microsecond=int((part["f"] or "0")[:6].ljust(6, "0")),
            tzinfo=_zone(part),
        )
    except ValueError:
        return None


def read_date(text: str | None) -> date | None:
    """Return the day as it is written in a sloppy xs:date, or None where there is no telling."""
    match = _match_time(text)
    if match is None:
        return None
    try:
        return date(int(match["y"]), int(match["m"]), int(match["d"]))
    except ValueError:
        return None


def _match_time(text: str | None) -> re.Match[str] | None:
    for form in _TIME_FORMS if text else ():
        match = form.fullmatch(text or "")
        if match is not None and int(match["y"]) in _YEARS:
            return match
    return None


def _zone(part: dict[str, str | None]) -> ZoneInfo | timezone:
    if part["utc"]:
        return UTC
    if part["sign"] is None:
        return MADRID
    offset = timedelta(hours=int(part["zh"] or 0), minutes=int(part["zm"] or 0))
    return timezone(-offset if part["sign"] == "-" else offset)


def written_time(moment: datetime) -> str:
    """Return an xs:dateTime with its offset in Madrid."""
    if moment.year not in _YEARS:
        moment = moment.replace(tzinfo=UTC)  # a placeholder, and Madrid's offset had seconds once
    elif moment.tzinfo is None:
        moment = moment.replace(tzinfo=MADRID)
    else:
        moment = moment.astimezone(MADRID)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
