"""What comes beside an invoice's file, and how it differs on both sides.

A registration or a receipt of which one side says nothing is no difference.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum

from bridge.feedback import MADRID
from bridge.model import Digest
from bridge.recorded import Difference, Recorded, RecordedAttachment
from reconcile.pairs import Pair

ATTACHMENTS = "attachments"
"""The difference that says how many attachments there are on each side."""


class Detail(StrEnum):
    """What comes beside an invoice's file, as the settings call it."""

    ATTACHMENTS = "attachments"
    REGISTRATION_NUMBER = "registration-number"
    REGISTRATION_DATE = "registration-date"
    RECEIPT = "receipt"


def _attachments(
    pair: Pair, legacy: Recorded, rest: Recorded, settled: bool
) -> Iterator[Difference]:
    """Compare attachments by their bytes, in any order; names differ by nature.

    One that is listed and not fetched may still be on its way for the grace time.
    """
    if not pair.tells_attachments:
        return
    ours, theirs = _without_equal(legacy.attachments, rest.attachments)
    if not settled and not all(it.digest for it in (*ours, *theirs)):
        ours, theirs = [it for it in ours if it.digest], [it for it in theirs if it.digest]
        ours, theirs = ours[: len(theirs)], theirs[: len(ours)]
    elif len(legacy.attachments) != len(rest.attachments):
        yield Difference(
            field=ATTACHMENTS,
            legacy=str(len(legacy.attachments)),
            rest=str(len(rest.attachments)),
        )
    for number in range(max(len(ours), len(theirs))):
        one = ours[number] if number < len(ours) else None
        other = theirs[number] if number < len(theirs) else None
        position = next(it.position for it in (one, other) if it is not None)
        yield Difference(
            field=f"attachment {position or number + 1}",
            legacy=_attached(one),
            rest=_attached(other),
        )


def _without_equal(
    legacy: tuple[RecordedAttachment, ...], rest: tuple[RecordedAttachment, ...]
) -> tuple[list[RecordedAttachment], list[RecordedAttachment]]:
    """Return the attachments that have no equal on the other side."""
    common = Counter(it.digest for it in legacy) & Counter(it.digest for it in rest)
    return _beyond(legacy, common), _beyond(rest, common)


def _beyond(
    attachments: tuple[RecordedAttachment, ...], common: Counter[Digest | None]
) -> list[RecordedAttachment]:
    left = common.copy()
    found = []
    for attachment in attachments:
        if left[attachment.digest] > 0:
            left[attachment.digest] -= 1
        else:
            found.append(attachment)
    return found


def _attached(attachment: RecordedAttachment | None) -> str | None:
    if attachment is None:
        return None
    said = f"sha256 {attachment.digest}" if attachment.digest else "not fetched"
    return f"{attachment.name} ({said})"


def _registration_number(
    _pair: Pair, legacy: Recorded, rest: Recorded, _settled: bool
) -> Iterator[Difference]:
    yield from _unlike("registration_number", legacy.registration_number, rest.registration_number)


def _registration_date(
    _pair: Pair, legacy: Recorded, rest: Recorded, _settled: bool
) -> Iterator[Difference]:
    one, other = legacy.registered_at, rest.registered_at
    if one and other:
        form = _day if _is_day(one) or _is_day(other) else _second
        yield from _unlike("registered_at", form(one), form(other))


def _is_day(moment: datetime) -> bool:
    """Tell whether a time is a date alone, as some messages give it."""
    local = moment.astimezone(MADRID)
    return (local.hour, local.minute, local.second) == (0, 0, 0)


def _day(moment: datetime) -> str:
    return moment.astimezone(MADRID).date().isoformat()


def _second(moment: datetime) -> str:
    return moment.astimezone(MADRID).isoformat(timespec="seconds")


def _receipt(_pair: Pair, legacy: Recorded, rest: Recorded, _settled: bool) -> Iterator[Difference]:
    yield from _unlike("receipt", legacy.receipt, rest.receipt)


def _unlike(name: str, legacy: str | None, rest: str | None) -> Iterator[Difference]:
    """Yield a difference where both sides say something, and not the same."""
    if legacy and rest and legacy.strip() != rest.strip():
        yield Difference(field=name, legacy=legacy, rest=rest)


_DETAILS: Mapping[Detail, Callable[[Pair, Recorded, Recorded, bool], Iterator[Difference]]] = {
    Detail.ATTACHMENTS: _attachments,
    Detail.REGISTRATION_NUMBER: _registration_number,
    Detail.REGISTRATION_DATE: _registration_date,
    Detail.RECEIPT: _receipt,
}


def unlike_details(
    pair: Pair, legacy: Recorded, rest: Recorded, *, settled: bool
) -> list[tuple[Detail, Difference]]:
    """Return what the two sides tell differently beside the file; `settled`: grace time is over."""
    return [
        (detail, difference)
        for detail, tell in _DETAILS.items()
        for difference in tell(pair, legacy, rest, settled)
    ]
