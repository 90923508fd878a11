"""Past the 500 cap: what is asked, what is found, and what is said to be out of reach."""

from collections.abc import Iterable

import pytest

from bridge.feeds.slices import (
    Page,
    Parts,
    Slice,
    by_nif,
    by_office,
    first_slices,
    list_all,
)
from bridge.model import State
from bridge.outbound.round import acknowledge_round
from bridge.rounds import pull_round
from bridge.sandbox.server import Sandbox
from tests.accounts import Office, Offices

CAP = 500

Row = tuple[str, str, int]
"""NIF, office, number."""


def rows(nif: str, office: str, count: int) -> list[Row]:
    return [(nif, office, number) for number in range(count)]


class Listing:
    """A list with the hub's two filters and its cap."""

    def __init__(self, *parts: list[Row]) -> None:
        self.rows = [row for part in parts for row in part]
        self.asked: list[str] = []
        self.shown: set[Row] = set()

    def ask(self, part: Slice) -> Page[Row]:
        self.asked.append(str(part))
        fitting = tuple(
            row
            for row in self.rows
            if part.nif in (None, row[0]) and part.accounting_office in (None, row[1])
        )
        self.shown.update(fitting[:CAP])
        return Page(fitting[:CAP], len(fitting) > CAP)

    def all(
        self,
        *,
        nifs: Iterable[str] = (),
        offices: Iterable[str] = (),
        slices: Iterable[Slice] = (Slice(),),
    ) -> tuple[set[Row], list[str]]:
        """Return what was found, and the names of the capped slices.

        `nifs` are the platform's entities, `offices` those that were seen before.
        """

        def parts_of(part: Slice) -> Parts:
            if part.nif is None:
                return by_nif(part, entities=nifs, seen={row[0] for row in self.shown})
            if part.accounting_office is None:
                seen = {row[1] for row in self.shown if row[0] == part.nif and row[1]}
                return by_office(part, {*offices, *seen})
            return Parts()

        found = list_all(self.ask, slices, parts_of=parts_of)
        assert len(set(found.rows)) == len(found.rows)
        return set(found.rows), [str(part) for part in found.capped_slices]


def test_a_list_under_the_cap_is_asked_once() -> None:
    listing = Listing(rows("A", "1", CAP))
    assert listing.all() == (set(listing.rows), [])
    assert listing.asked == ["everything"]


def test_a_capped_list_is_asked_by_nif() -> None:
    listing = Listing(rows("A", "1", 400), rows("B", "1", 400), rows("C", "1", 400))
    found, capped = listing.all(nifs=["A", "B", "C"])
    assert found == set(listing.rows)
    assert capped == []
    assert listing.asked == ["everything", "nif=A", "nif=B", "nif=C"]


def test_a_capped_nif_is_asked_by_office_and_still_named() -> None:
    """Nobody can know that these are all offices, nor that every invoice has one."""
    listing = Listing(rows("A", "1", 300), rows("A", "2", 300), rows("A", "3", 300))
    found, capped = listing.all(nifs=["A"], offices=["1", "2", "3"])
    assert found == set(listing.rows)
    assert capped == ["nif=A"]


def test_an_office_that_no_slice_showed_leaves_its_nif_named() -> None:
    listing = Listing(rows("A", "1", 480), rows("A", "2", 40), rows("A", "3", 10))
    found, capped = listing.all(nifs=["A"])
    assert len(found) == 520
    assert capped[0] == "nif=A"


def test_a_nif_that_the_entities_lack_leaves_the_whole_named() -> None:
    listing = Listing(rows("C", "1", 5), rows("A", "1", 400), rows("B", "1", 400))
    found, capped = listing.all(nifs=["A", "B"])
    assert found == set(listing.rows)
    assert capped == ["everything"]


def test_a_row_without_a_nif_leaves_the_whole_named() -> None:
    listing = Listing(rows("", "1", 5), rows("A", "1", 400), rows("B", "1", 400))
    assert listing.all(nifs=["A", "B"])[1] == ["everything"]


def test_a_platform_that_names_no_entities_leaves_the_whole_named() -> None:
    listing = Listing(rows("A", "1", 400), rows("B", "1", 400))
    assert listing.all() == (set(listing.rows), ["everything"])


def test_a_slice_that_stays_capped_is_named() -> None:
    listing = Listing(rows("A", "1", 700), rows("B", "1", 10))
    found, capped = listing.all(nifs=["A", "B"])
    assert len(found) == CAP + 10
    assert any(name.startswith("nif=A") for name in capped)
    assert not any("nif=B" in name for name in capped)


def test_a_slice_whose_parts_bring_nothing_new_is_named() -> None:
    """Its offices are not known: more waits behind the cap than can be asked for."""
    listing = Listing(rows("A", "", 700))
    _, capped = listing.all(nifs=["A"])
    assert capped


def test_a_filter_of_the_settings_is_where_asking_begins() -> None:
    assert [str(part) for part in first_slices([], [])] == ["everything"]
    assert [str(part) for part in first_slices(["A"], [])] == ["nif=A"]
    assert [str(part) for part in first_slices([], ["1"])] == ["oficinaComptable=1"]
    assert [str(part) for part in first_slices(["A", "B"], ["1"])] == [
        "nif=A oficinaComptable=1",
        "nif=B oficinaComptable=1",
    ]


def test_an_office_over_the_cap_is_asked_by_nif() -> None:
    listing = Listing(rows("A", "1", 400), rows("B", "1", 400), rows("A", "2", 10))
    found, capped = listing.all(nifs=["A", "B"], slices=[Slice(None, "1")])
    assert len(found) == 800
    assert capped == []


# -- through the hub ---------------------------------------------------------------------------

SMALL = b"<Facturae/>"


def fill(sandbox: Sandbox, count: int, *, nif: str, office: str) -> None:
    """Add invoices without anything that takes time."""
    for _ in range(count):
        sandbox.book.add_invoice(
            attachments=False,
            receipt=True,
            facturae=SMALL,
            receiver_nif=nif,
            accounting_office=office,
        )


@pytest.fixture
def seen(open_account: Offices) -> Office:
    return open_account(acknowledge="collected")


def listed(office: Office) -> tuple[set[str], tuple[str, ...]]:
    found = office.inbound.feed.pending()
    return {row.hub_id for row in found.invoices}, found.capped_slices


def test_more_than_the_cap_over_several_entities_is_found(seen: Office) -> None:
    for nif in ("P1", "P2", "P3"):
        fill(seen.sandbox, 433, nif=nif, office="O1")
    hub_ids, capped = listed(seen)
    assert hub_ids == set(seen.sandbox.book.pending)
    assert len(hub_ids) == 1299
    assert capped == ()


def fill_three_offices(sandbox: Sandbox) -> None:
    """Let one entity have more than the cap in the first two offices, and some in a third."""
    for office, count in (("O1", 300), ("O2", 250), ("O3", 10)):
        fill(sandbox, count, nif="P1", office=office)


def test_one_entity_over_the_cap_is_asked_by_office_and_reported(seen: Office) -> None:
    """The first 500 show two of its three offices."""
    fill_three_offices(seen.sandbox)
    hub_ids, capped = listed(seen)
    assert len(hub_ids) == 550
    assert "nif=P1" in capped


def test_offices_that_the_settings_name_are_taken_for_all(open_account: Offices) -> None:
    office = open_account(oficines_comptables=["O1", "O2", "O3"])
    fill_three_offices(office.sandbox)
    assert listed(office) == (set(office.sandbox.book.pending), ())


def test_one_office_over_the_cap_is_reported(seen: Office) -> None:
    fill(seen.sandbox, 520, nif="P1", office="O1")
    hub_ids, capped = listed(seen)
    assert len(hub_ids) == CAP
    assert any("P1" in name for name in capped)


def test_a_capped_list_of_attachments_is_reported(seen: Office) -> None:
    hub_id = seen.sandbox.book.add_invoice(attachments=False)
    for number in range(CAP + 1):
        seen.sandbox.book.add_attachment(hub_id, f"{number}.txt", b"x")
    found = seen.inbound.feed.pending_attachments()
    assert len(found.rows) == CAP
    assert found.capped_slices


def test_acknowledging_moves_a_capped_list_on(open_account: Offices) -> None:
    office = open_account(acknowledge="stored")
    fill(office.sandbox, 505, nif="P1", office="O1")
    assert listed(office)[1]
    for hub_id in office.sandbox.book.pending[:10]:
        office.sandbox.book.set_state(hub_id, State.DELIVERED)
    assert listed(office)[1] == ()


def test_a_pull_goes_on_until_nothing_more_is_listed(open_account: Offices) -> None:
    office = open_account(acknowledge="stored")
    fill(office.sandbox, 503, nif="P1", office="O1")
    done = pull_round(office.inbound, only_due=False)
    assert done.placed == 503
    assert done.capped_slices == ()
    assert len(office.names("out")) == 503
    assert not office.sandbox.book.pending


def test_a_capped_list_that_is_not_acknowledged_stays_reported(open_account: Offices) -> None:
    office = open_account(acknowledge="never")
    fill(office.sandbox, 501, nif="P1", office="O1")
    listing = office.inbound.feed.pending()
    assert listing.capped_slices
    assert acknowledge_round(office.account) == 0
