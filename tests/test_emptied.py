"""A pending list that comes back empty: reported, never acted upon."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bridge import status
from bridge.model import State, StateUpdate
from bridge.status.findings import findings as find
from tests.accounts import Office, Offices, annotated, state_file


@contextmanager
def listing_nothing(office: Office) -> Iterator[None]:
    """Let the hub list nothing, whatever it has."""
    book = office.sandbox.book
    whole = book.list_pending
    book.list_pending = lambda **_: b'{"mesFactures": false, "factures": []}'  # type: ignore[method-assign]
    try:
        yield
    finally:
        book.list_pending = whole  # type: ignore[method-assign]


def unlisted(office: Office) -> int:
    account = office.account
    found = status.as_json(status.look(account.settings, account.ledger, now=office.clock()))
    count = json.loads(json.dumps(found))["accounts"][0]["unlisted"]
    assert isinstance(count, int)
    return count


def findings(office: Office) -> list[str]:
    account = office.account
    seen = status.look(account.settings, account.ledger, now=office.clock())
    return [it.what for it in find(seen) if "lists nothing" in it.what]


@pytest.mark.parametrize("policy", ["collected", "never"])
def test_a_list_that_lacks_what_it_must_have_is_reported_and_nothing_else(
    open_account: Offices, policy: str
) -> None:
    office = open_account(acknowledge=policy)
    hub_ids = office.served(3)
    with listing_nothing(office):
        office.pull()
    assert unlisted(office) == 3
    assert len(findings(office)) == 1
    assert all(office.out_of(hub_id) for hub_id in hub_ids)
    office.pull()
    assert unlisted(office) == 0
    assert not findings(office)


def test_an_empty_list_of_a_hub_that_was_told_is_no_news(office: Office) -> None:
    one, two = office.served(2)
    office.collect(one)
    office.drop("a.XML", state_file(annotated(two)))
    office.push()
    office.pull()
    assert not office.sandbox.book.pending
    assert unlisted(office) == 0


def test_what_somebody_told_the_hub_beside_the_bridge_is_no_news(office: Office) -> None:
    (hub_id,) = office.served()
    told = StateUpdate(state=State.ANNOTATED, register_number="R-1")
    office.sandbox.book.set_state(hub_id, told)
    office.pull()
    assert not office.sandbox.book.pending
    assert unlisted(office) == 0


def test_a_hub_that_does_not_even_know_the_invoice_is_reported(office: Office) -> None:
    office.served()
    office.sandbox.book.faults.fail(operation="invoice", code=2001, times=None)
    with listing_nothing(office):
        office.pull()
    assert unlisted(office) == 1
