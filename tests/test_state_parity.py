"""State parity: what our rules make of a state file, beside the hub's history."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from bridge import feedback
from bridge.model import Digest, HubId, State, StateRecord
from bridge.translate import updates_of
from reconcile.model import Parity, StateRow
from reconcile.parity import Given, state_rows
from reconcile.states import MOST_INVOICES, StateFile, given_states
from tests.accounts import Said, annotated, paid, rejected, said, state_file

NOW = datetime(2026, 6, 1, tzinfo=UTC)
GRACE = timedelta(days=1)


def record(state: State, **details: object) -> StateRecord:
    return StateRecord(state=state, state_text=state.value, **details)  # type: ignore[arg-type]


def row(
    update: Said,
    *records: StateRecord,
    at: datetime | None = None,
    refused: bool = False,
    asked: bool = True,
) -> StateRow:
    """How one update of a state file compares with this history."""

    def history(_hub_id: HubId) -> Sequence[StateRecord] | None:
        return records if asked else None

    (read,) = updates_of(feedback.read(state_file(update)))
    given = Given(file="f.XML", update=read, hub_id=read.hub_id, at=at, refused=refused)
    (found,) = state_rows([given], history, now=NOW, grace=GRACE)
    return found


@pytest.mark.parametrize(
    ("update", "shown"),
    [
        (annotated("7", "R-1"), record(State.ANNOTATED, register_number="R-1")),
        (paid("7", "2026-04-01"), record(State.PAID, paid_on=date(2026, 4, 1))),
        (rejected("7", "mal"), record(State.REJECTED, reason="mal", reason_code="01")),
        (said("7", "recognised"), record(State.RECOGNISED)),
    ],
)
def test_what_the_hub_shows_as_we_would_send_it_is_the_same(
    update: Said, shown: StateRecord
) -> None:
    earlier = record(State.REGISTERED)
    assert row(update, earlier, shown).parity is Parity.SAME


def test_a_detail_that_differs_is_named_with_both_values() -> None:
    found = row(annotated("7", "R-1"), record(State.ANNOTATED, register_number="R-9"))
    assert found.parity is Parity.DIFFERENT
    assert [(it.field, it.legacy, it.rest) for it in found.differences] == [
        ("register_number", "R-1", "R-9")
    ]


def test_a_state_given_twice_is_the_same_if_one_of_them_is() -> None:
    found = row(
        annotated("7", "R-1"),
        record(State.ANNOTATED, register_number="R-1"),
        record(State.ANNOTATED, register_number="R-2"),
    )
    assert found.parity is Parity.SAME


def test_a_state_that_the_history_lacks_is_missing() -> None:
    found = row(said("7", State.ACCEPTED), record(State.REGISTERED), at=NOW - GRACE)
    assert found.parity is Parity.MISSING
    assert [(it.legacy, it.rest) for it in found.differences] == [("ACCEPTED", "REGISTERED")]


def test_one_that_was_given_a_short_time_ago_may_still_come() -> None:
    found = row(said("7", State.ACCEPTED), record(State.REGISTERED), at=NOW - GRACE / 2)
    assert found.parity is Parity.UNKNOWN


def test_what_both_refuse_is_no_mismatch() -> None:
    assert row(annotated("7", ""), refused=True).parity is Parity.REFUSED_BY_BOTH


def test_what_we_refuse_and_the_hub_never_had_was_refused_by_both() -> None:
    assert row(annotated("7", ""), record(State.REGISTERED)).parity is Parity.REFUSED_BY_BOTH


def test_what_the_old_hub_took_and_we_would_refuse_is_told() -> None:
    found = row(annotated("7", ""), record(State.ANNOTATED))
    assert (found.parity, found.said) == (
        Parity.REFUSED_BY_US,
        "BR05 ANNOTATED needs a register number",
    )


def test_without_the_hub_s_word_nothing_is_known() -> None:
    assert row(said("7", State.ACCEPTED), asked=False).parity is Parity.UNKNOWN


def test_a_file_that_names_no_invoice_tells_nothing() -> None:
    assert row(said("", State.ACCEPTED)).parity is Parity.UNKNOWN


def test_states_of_older_invoices_are_not_compared_and_counted() -> None:
    contents = {
        Digest(str(number)): state_file(annotated(str(number), "R-1"))
        for number in range(MOST_INVOICES + 2)
    }
    files = [StateFile(name=f"{digest}.XML", digest=digest) for digest in contents]
    found = given_states(files, contents.__getitem__, lambda _: None, refused=frozenset())
    assert [each.hub_id for each in found.newest] == list(contents)[2:]
    assert found.older == 2
