"""Two sides of one invoice, and how they compare: the outcome and the differences.

The outcome is a table (`RULES`), tried from the top: the first that fits counts (`Outcome` has the
same order). What makes an invoice `different` is the file itself, and those of the details around
it (see `details`) that the settings count as blockers; the others are told and change nothing.

A side whose file was not fetched counts as not there: that it was listed, or that a message told
of it, is no proof of what would have come. What REST lists and does not give is unreadable once the
grace time is over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.errors import BridgeError
from bridge.facturae import FacturaeError
from bridge.model import Digest, FeedName, HubId
from bridge.recorded import Difference, Recorded
from bridge.xml_facts import Compared, compare_files
from reconcile.details import Detail, unlike_details
from reconcile.model import Outcome, Row
from reconcile.moments import lag_of, since
from reconcile.pairs import Pair, names_of

MOST_XML_DIFFERENCES = 200
"""Rows that show their XML difference: a report over a million invoices must stay small."""


SEVERAL_FILES = "there are several files with this hub id, and they differ"

Content = Callable[[Digest], bytes]
"""Gives a file's bytes; raises one of our errors where they are not to be had."""

Known = Callable[[Digest, Digest], Compared | None]
"""Gives what two files say differently where that is known; None: they are to be read."""


def _nothing_known(_legacy: Digest, _rest: Digest) -> Compared | None:
    return None


@dataclass(slots=True, kw_only=True)
class Terms:
    """By what a comparison goes."""

    now: datetime
    grace: timedelta
    content: Content
    known: Known = _nothing_known
    """What was found out of pairs of files before."""
    counting: frozenset[Detail] = frozenset({Detail.ATTACHMENTS, Detail.REGISTRATION_NUMBER})
    """The details that make an invoice `different`."""
    was_in_flight: frozenset[HubId] = frozenset()
    """What an earlier report had in flight."""
    xml_differences: int = field(default=MOST_XML_DIFFERENCES)
    """How many more rows may show their XML difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One pair, looked at closely."""

    pair: Pair
    settled: bool
    """The grace time is over."""
    problem: str
    """Why a file cannot be read."""
    same_bytes: bool
    differences: tuple[Difference, ...]
    """What makes it different."""
    remarks: tuple[Difference, ...]
    """What is told beside."""
    xml: tuple[str, ...] = ()

    def has(self, feed: FeedName) -> bool:
        """Tell whether this feed delivered the invoice, its file included."""
        return _delivered(_side(self.pair, feed))


RULES: tuple[tuple[Outcome, Callable[[Case], bool]], ...] = (
    (Outcome.UNREADABLE, lambda case: bool(case.problem)),
    (Outcome.DUPLICATE, lambda case: bool(case.pair.twins) or _given_twice(case.pair)),
    (Outcome.ONLY_LEGACY, lambda case: case.settled and not case.has(FeedName.REST)),
    (Outcome.ONLY_REST, lambda case: case.settled and not case.has(FeedName.LEGACY)),
    (Outcome.IN_FLIGHT, lambda case: not (case.has(FeedName.REST) and case.has(FeedName.LEGACY))),
    (Outcome.DIFFERENT, lambda case: bool(case.differences)),
    (Outcome.EQUIVALENT, lambda case: not case.same_bytes),
    (Outcome.IDENTICAL, lambda case: True),
)
"""The outcomes, and when each fits; the first that does counts."""


def compare(pair: Pair, terms: Terms) -> Row:
    """Return how the two sides of an invoice compare."""
    case = _case(pair, terms)
    outcome = next(outcome for outcome, fits in RULES if fits(case))
    return _row(case, outcome, was_in_flight=pair.hub_id in terms.was_in_flight)


# -- looking closely -----------------------------------------------------------------------------


def _case(pair: Pair, terms: Terms) -> Case:
    settled = _settled(pair, terms)
    legacy, rest = pair.legacy, pair.rest
    problem = _problem(pair, settled=settled)
    if problem or not (_delivered(legacy) and _delivered(rest)):
        return _unequal(pair, settled=settled, problem=problem)
    assert legacy is not None
    assert rest is not None
    details = unlike_details(pair, legacy, rest, settled=settled)
    counting = [difference for detail, difference in details if detail in terms.counting]
    remarks = tuple(difference for detail, difference in details if detail not in terms.counting)
    if legacy.digest == rest.digest:
        return Case(
            pair=pair,
            settled=settled,
            problem="",
            same_bytes=True,
            differences=tuple(counting),
            remarks=remarks,
        )
    return _read_both(pair, terms, settled=settled, counting=counting, remarks=remarks)


def _unequal(pair: Pair, *, settled: bool, problem: str) -> Case:
    return Case(
        pair=pair, settled=settled, problem=problem, same_bytes=False, differences=(), remarks=()
    )


def _read_both(
    pair: Pair,
    terms: Terms,
    *,
    settled: bool,
    counting: list[Difference],
    remarks: tuple[Difference, ...],
) -> Case:
    digests = [side.digest for side in (pair.legacy, pair.rest) if side and side.digest]
    found = terms.known(*digests) or _read(digests, terms)
    if isinstance(found, str):
        return _unequal(pair, settled=settled, problem=found)
    xml = found.xml if terms.xml_differences > 0 else ()
    terms.xml_differences -= bool(xml)
    return Case(
        pair=pair,
        settled=settled,
        problem="",
        same_bytes=False,
        differences=(*found.differences, *counting),
        remarks=remarks,
        xml=xml,
    )


def _read(digests: Sequence[Digest], terms: Terms) -> Compared | str:
    """Return how the files of both sides compare, or why that cannot be told."""
    contents = []
    for feed, digest in zip((FeedName.LEGACY, FeedName.REST), digests, strict=True):
        try:
            contents.append(terms.content(digest))
        except BridgeError as error:
            return f"{feed}: {error}"
    try:
        return compare_files(*contents, with_xml=terms.xml_differences > 0)
    except FacturaeError as error:
        return str(error)


def _settled(pair: Pair, terms: Terms) -> bool:
    """Tell whether the grace time is over since the bridge first saw the invoice."""
    known = [since(side, now=terms.now) for side in (pair.legacy, pair.rest) if side]
    return terms.now - min(known) >= terms.grace


def _problem(pair: Pair, *, settled: bool) -> str:
    for side in (pair.legacy, pair.rest):
        if side is None:
            continue
        if side.unreadable:
            return f"{side.feed}: {side.unreadable}"
        if settled and side.digest is None and side.feed is FeedName.REST:
            return pair.note or "rest: it is listed, and its file has not been fetched"
    return ""


def _delivered(side: Recorded | None) -> bool:
    return side is not None and side.digest is not None


def _side(pair: Pair, feed: FeedName) -> Recorded | None:
    return pair.legacy if feed is FeedName.LEGACY else pair.rest


def _given_twice(pair: Pair) -> bool:
    """Tell whether one feed gave several files under this hub id."""
    return any(side.others for side in (pair.legacy, pair.rest) if side)


def _further(pair: Pair) -> tuple[Digest, ...]:
    """Return the further files that a feed gave under this hub id."""
    sides = (side for side in (pair.legacy, pair.rest) if side)
    return tuple(sorted({digest for side in sides for digest in side.others}))


def _told_twice(pair: Pair) -> str:
    """Return which feed gave several files, in words."""
    feeds = (side.feed for side in (pair.legacy, pair.rest) if side and side.others)
    return next((f"{feed}: {SEVERAL_FILES}" for feed in feeds), "")


# -- the row -------------------------------------------------------------------------------------


def _row(case: Case, outcome: Outcome, *, was_in_flight: bool) -> Row:
    pair, one = case.pair, case.pair.one
    legacy, rest = pair.legacy, pair.rest
    spare = legacy if one is rest else None
    return Row(
        hub_id=pair.hub_id,
        outcome=outcome,
        number=one.number or (spare.number if spare else None),
        series=one.series or (spare.series if spare else None),
        supplier_nif=one.supplier_nif or (spare.supplier_nif if spare else None),
        receiver_nif=one.receiver_nif or (spare.receiver_nif if spare else None),
        issue_date=one.issue_date or (spare.issue_date if spare else None),
        amount=one.amount or (spare.amount if spare else None),
        differences=(*case.differences, *case.remarks),
        lag_seconds=lag_of(pair),
        duplicate_of=pair.twins,
        names=names_of(pair),
        legacy_digest=legacy.digest if legacy else None,
        rest_digest=rest.digest if rest else None,
        further_digests=_further(pair),
        legacy_first_seen=legacy.first_seen_at if legacy else None,
        rest_first_seen=rest.first_seen_at if rest else None,
        note=case.problem or pair.note or _told_twice(pair),
        was_in_flight=was_in_flight and outcome is not Outcome.IN_FLIGHT,
        xml_difference=case.xml,
    )
