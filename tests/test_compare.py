"""The comparing itself: the outcome of each invoice, exactly those of the mix, and the verdict."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.facturae import FacturaeError
from bridge.model import Digest, FeedName, HubId, State, StateRecord
from bridge.recorded import Recorded, RecordedAttachment, in_order
from bridge.sandbox.scenarios import Kind
from bridge.xml_facts import Compared, compare_files
from reconcile.compare import RULES, Terms, compare
from reconcile.details import Detail
from reconcile.model import Outcome, Row
from reconcile.pairs import Pair, pair_up, twins
from tests.scenes import GRACE, JUST_NOW, LONG_AGO, NOW, Sides, mixed, recorded

ONE, OTHER = Digest("1" * 64), Digest("2" * 64)


def legacy(**facts: object) -> Recorded:
    return replace(
        Recorded(feed=FeedName.LEGACY, hub_id=HubId("7"), digest=ONE, first_seen_at=LONG_AGO),
        **facts,  # type: ignore[arg-type]
    )


def rest(**facts: object) -> Recorded:
    return replace(legacy(feed=FeedName.REST), **facts)  # type: ignore[arg-type]


def terms(sides: Sides | None = None, **facts: object) -> Terms:
    return replace(
        Terms(now=NOW, grace=GRACE, content=(sides or Sides()).content),
        **facts,  # type: ignore[arg-type]
    )


def outcome(one: Recorded | None, other: Recorded | None, **facts: object) -> Outcome:
    return row(one, other, **facts).outcome


def row(one: Recorded | None, other: Recorded | None, **facts: object) -> Row:
    return compare(Pair(hub_id=HubId("7"), legacy=one, rest=other), terms(**facts))


def rows(sides: Sides, **facts: object) -> list[Row]:
    pairs = pair_up(sides.legacy, sides.rest)
    same = twins(pairs)
    pairs = [replace(pair, twins=same.get(pair.hub_id, ())) for pair in pairs]
    return [compare(pair, terms(sides, **facts)) for pair in pairs]


# -- exactly the mix -----------------------------------------------------------------------------

STOCK = mixed(dict.fromkeys(Kind, 15))
INVOICES = [
    [scene for scene in STOCK if scene.held.invoice.number == number]
    for number in {scene.held.invoice.number: None for scene in STOCK}
]
"""The scenes by invoice: one that stands under two hub ids has two."""


FOUND: dict[tuple[Digest, Digest], Compared] = {}
"""What was found out of two files in one mix is known in the next, as the ledger keeps it."""


@settings(max_examples=2500)
@given(chosen=st.lists(st.sampled_from(range(len(INVOICES))), unique=True, max_size=12))
def test_a_report_finds_exactly_what_was_mixed(chosen: list[int]) -> None:
    played = [scene for place in chosen for scene in INVOICES[place]]
    sides = recorded(played)

    def known(legacy: Digest, rest: Digest) -> Compared | None:
        if (legacy, rest) not in FOUND:
            with suppress(FacturaeError):
                FOUND[legacy, rest] = compare_files(sides.content(legacy), sides.content(rest))
        return FOUND.get((legacy, rest))

    found = {row.hub_id: row.outcome.value for row in rows(sides, known=known)}
    assert found == {scene.hub_id: scene.kind.value for scene in played}


@pytest.mark.parametrize("seed", range(10))
def test_other_seeds_are_found_too(seed: int) -> None:
    played = mixed(dict.fromkeys(Kind, 7), seed=seed)
    found = {row.hub_id: row.outcome.value for row in rows(recorded(played))}
    assert found == {scene.hub_id: scene.kind.value for scene in played}


@pytest.mark.parametrize("seed", range(5))
def test_every_difference_is_named(seed: int) -> None:
    played = {scene.hub_id: scene for scene in mixed({Kind.DIFFERENT: 7}, seed=seed)}
    for found in rows(recorded(played.values())):
        fields = {difference.field for difference in found.differences}
        assert fields == {played[found.hub_id].field}


def test_the_rules_stand_in_the_order_of_the_outcomes() -> None:
    assert [outcome for outcome, _ in RULES] == list(Outcome)


# -- one side only -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (NOW - GRACE, Outcome.ONLY_LEGACY),
        (NOW - GRACE + timedelta(seconds=1), Outcome.IN_FLIGHT),
        (LONG_AGO, Outcome.ONLY_LEGACY),
    ],
)
def test_the_grace_time_parts_in_flight_from_missing(seen: datetime, expected: Outcome) -> None:
    assert outcome(legacy(first_seen_at=seen), None) is expected


def test_what_rest_alone_has_is_only_rest() -> None:
    assert outcome(None, rest()) is Outcome.ONLY_REST


def test_of_a_folder_the_registration_date_counts() -> None:
    found = legacy(first_seen_at=None, registered_at=JUST_NOW, last_seen_at=LONG_AGO)
    assert outcome(found, None) is Outcome.IN_FLIGHT


def test_of_a_folder_without_registration_the_file_s_time_counts() -> None:
    assert outcome(legacy(first_seen_at=None, last_seen_at=LONG_AGO), None) is Outcome.ONLY_LEGACY


def test_a_registration_that_is_still_to_come_does_not_count() -> None:
    ahead = NOW + timedelta(days=400)
    found = legacy(first_seen_at=None, registered_at=ahead, last_seen_at=LONG_AGO)
    assert outcome(found, None) is Outcome.ONLY_LEGACY


def test_what_was_in_flight_and_is_still_missing_is_said_so() -> None:
    assert row(legacy(), None, was_in_flight=frozenset({HubId("7")})).was_in_flight


def test_a_file_that_was_never_fetched_is_in_flight_for_the_grace_time() -> None:
    fresh = {"first_seen_at": JUST_NOW}
    assert outcome(legacy(**fresh), rest(digest=None, **fresh)) is Outcome.IN_FLIGHT


def test_a_file_that_was_never_fetched_is_unreadable_afterwards() -> None:
    found = row(legacy(), rest(digest=None))
    assert (found.outcome, found.note) == (
        Outcome.UNREADABLE,
        "rest: it is listed, and its file has not been fetched",
    )


def test_what_only_a_message_told_of_is_not_in_the_old_mailbox() -> None:
    assert outcome(legacy(digest=None), rest()) is Outcome.ONLY_REST


# -- unreadable and duplicate --------------------------------------------------------------------


@pytest.mark.parametrize("missing", [True, False])
def test_an_unreadable_file_counts_before_everything_else(missing: bool) -> None:
    one = legacy(unreadable="it is cut off", others=(OTHER,))
    assert outcome(one, None if missing else rest(digest=OTHER)) is Outcome.UNREADABLE


def test_two_contents_under_one_hub_id_are_a_duplicate() -> None:
    assert outcome(legacy(others=(OTHER,)), rest()) is Outcome.DUPLICATE


def test_a_duplicate_counts_before_a_side_that_is_missing() -> None:
    assert outcome(legacy(others=(OTHER,)), None) is Outcome.DUPLICATE


INVOICE = {
    "number": "A/1",
    "series": "S",
    "supplier_nif": "ESB17000001",
    "issue_date": date(2026, 3, 1),
}


def under(hub_id: str, **facts: object) -> Pair:
    """An invoice that both sides have under this hub id."""
    same = {**INVOICE, "hub_id": HubId(hub_id), **facts}
    return Pair(hub_id=HubId(hub_id), legacy=legacy(**same), rest=rest(**same))


def rejected(hub_id: str) -> Pair:
    return under(hub_id, states=(StateRecord(state=State.REJECTED, state_text="REJECTED"),))


def test_one_invoice_under_two_hub_ids_is_a_duplicate_on_both_rows() -> None:
    assert twins([under("7"), under("8")]) == {"7": ("8",), "8": ("7",)}


def test_one_that_was_rejected_and_sent_again_is_no_duplicate() -> None:
    assert twins([rejected("7"), under("8")]) == {}


def test_of_three_the_two_that_stand_are_duplicates() -> None:
    assert twins([under("9"), rejected("7"), under("10")]) == {"9": ("10",), "10": ("9",)}


def test_the_same_invoice_on_different_sides_is_a_duplicate_too() -> None:
    one, other = replace(under("7"), rest=None), replace(under("8"), legacy=None)
    assert twins([one, other]) == {"7": ("8",), "8": ("7",)}


@pytest.mark.parametrize(
    "facts",
    [
        {"number": "A/2"},
        {"series": "T"},
        {"supplier_nif": "B17000002"},
        {"issue_date": date(2026, 3, 2)},
        {"number": None},
        {"supplier_nif": None},
        {"issue_date": None},
    ],
)
def test_another_number_series_supplier_or_date_is_another_invoice(
    facts: dict[str, object],
) -> None:
    assert twins([under("7"), under("8", **facts)]) == {}


def test_a_number_and_a_tax_id_may_be_written_in_other_ways() -> None:
    assert twins([under("7"), under("8", number=" a/1 ", supplier_nif="B-17000001")])


# -- what comes beside the file ------------------------------------------------------------------


def attached(*digests: Digest | None) -> tuple[RecordedAttachment, ...]:
    return tuple(
        RecordedAttachment(name=f"{place}.pdf", position=place, digest=digest)
        for place, digest in enumerate(digests, start=1)
    )


def fields(found: Row) -> list[str]:
    return [difference.field for difference in found.differences]


def test_other_bytes_in_an_attachment_make_a_difference() -> None:
    found = row(legacy(attachments=attached(ONE)), rest(attachments=attached(OTHER)))
    assert (found.outcome, fields(found)) == (Outcome.DIFFERENT, ["attachment 1"])


def test_the_order_of_attachments_makes_none() -> None:
    one, other = attached(ONE, OTHER), attached(OTHER, ONE)
    assert outcome(legacy(attachments=one), rest(attachments=other)) is Outcome.IDENTICAL


def test_an_attachment_that_is_missing_makes_a_difference() -> None:
    found = row(legacy(attachments=attached(ONE, OTHER)), rest(attachments=attached(ONE)))
    assert (found.outcome, fields(found)) == (Outcome.DIFFERENT, ["attachments", "attachment 2"])


def test_an_attachment_that_is_missing_makes_a_difference_within_the_grace_time_too() -> None:
    fresh = {"first_seen_at": JUST_NOW}
    one, other = legacy(attachments=attached(ONE), **fresh), rest(**fresh)
    assert outcome(one, other) is Outcome.DIFFERENT


def test_an_attachment_that_is_only_listed_may_come_within_the_grace_time() -> None:
    fresh = {"first_seen_at": JUST_NOW}
    one, other = legacy(attachments=attached(ONE), **fresh), rest(**fresh)
    assert outcome(one, replace(other, attachments=attached(None))) is Outcome.IDENTICAL


def test_an_attachment_with_other_bytes_differs_within_the_grace_time_too() -> None:
    fresh = {"first_seen_at": JUST_NOW}
    one, other = legacy(attachments=attached(ONE), **fresh), rest(**fresh)
    assert outcome(one, replace(other, attachments=attached(OTHER))) is Outcome.DIFFERENT


def test_a_side_that_does_not_tell_its_attachments_lacks_none() -> None:
    one = legacy(attachments=attached(ONE))
    pair = Pair(hub_id=HubId("7"), legacy=one, rest=rest(), tells_attachments=False)
    assert compare(pair, terms()).outcome is Outcome.IDENTICAL


def test_another_registration_number_makes_a_difference() -> None:
    found = row(legacy(registration_number="E/1"), rest(registration_number="E/2"))
    assert (found.outcome, fields(found)) == (Outcome.DIFFERENT, ["registration_number"])


def test_a_side_that_does_not_tell_the_registration_makes_none() -> None:
    assert outcome(legacy(), rest(registration_number="E/2")) is Outcome.IDENTICAL


def test_receipt_and_registration_date_are_remarks() -> None:
    one = legacy(receipt=ONE, registered_at=LONG_AGO)
    other = rest(receipt=OTHER, registered_at=LONG_AGO + timedelta(hours=1))
    found = row(one, other)
    assert (found.outcome, fields(found)) == (Outcome.IDENTICAL, ["registered_at", "receipt"])


def test_what_counts_is_a_setting() -> None:
    one, other = legacy(receipt=ONE), rest(receipt=OTHER)
    counting = frozenset({Detail.RECEIPT})
    assert outcome(one, other, counting=counting) is Outcome.DIFFERENT


def test_a_registration_on_a_day_fits_any_time_of_it() -> None:
    day = datetime(2026, 3, 1, 23, tzinfo=UTC)  # midnight in Madrid
    one, other = legacy(registered_at=day), rest(registered_at=day + timedelta(hours=9))
    assert fields(row(one, other)) == []


def test_other_names_are_told_and_make_no_difference() -> None:
    found = row(legacy(name="A@B@C@7.XML"), rest(name="N@M@C@7.XML"))
    assert (found.outcome, found.names) == (Outcome.IDENTICAL, ("A@B@C@7.XML", "N@M@C@7.XML"))


def test_the_lag_is_how_much_later_rest_was() -> None:
    later = LONG_AGO + timedelta(seconds=90)
    assert row(legacy(), rest(first_seen_at=later)).lag_seconds == 90


def test_without_a_first_sight_there_is_no_lag() -> None:
    assert row(legacy(first_seen_at=None, last_seen_at=LONG_AGO), rest()).lag_seconds is None


# -- the order of rows ---------------------------------------------------------------------------


def test_hub_ids_are_sorted_as_numbers() -> None:
    found = pair_up({HubId(it): legacy() for it in ("10", "9", "100")}, {HubId("99"): rest()})
    assert [pair.hub_id for pair in found] == ["9", "10", "99", "100"]


def test_hub_ids_that_are_no_numbers_come_after_them() -> None:
    assert sorted(map(HubId, ["a", "10", "9b", "9"]), key=in_order) == ["9", "10", "9b", "a"]
