"""From a legacy state to a PATCH: each rule of the table, and what holds for all of them."""

import json
import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.feedback import (
    DeliveryFeedback,
    Feedback,
    HubFeedback,
    InvoiceFeedback,
    StatusFeedback,
    read,
)
from bridge.model import HubId, Invoice, LegacyStatus, Refusal, State, StateUpdate
from bridge.translate import (
    CARRIED,
    DEFAULT_REASON,
    NO_TARGETS,
    REQUIRED,
    TARGETS,
    WIRE_NAMES,
    ReadUpdate,
    patch_body,
    same_effect,
    translate,
    updates_of,
)

NOON = datetime(2024, 7, 1, 12, 0, tzinfo=UTC)

FULL = {
    "status_date": NOON,
    "reason_code": "R1",
    "reason": "why",
    "register_data_number": "N/3",
    "register_number": "N/2",
    "rcf_register_number": "N/1",
    "payment_date": NOON,
}


def full(status: str) -> Feedback:
    return Feedback(status=status, **FULL)  # type: ignore[arg-type]


def update_of(feedback: Feedback) -> StateUpdate:
    outcome = translate(feedback)
    assert isinstance(outcome, StateUpdate)
    return outcome


def refusal_of(feedback: Feedback, **changes: str) -> Refusal:
    outcome = translate(feedback, **changes)
    assert isinstance(outcome, Refusal)
    return outcome


class TestState:
    @pytest.mark.parametrize("state", ["DELIVERED", "RECEIVED", "ACCEPTED", "RECOGNISED"])
    def test_a_state_without_details_carries_none(self, state: str) -> None:
        assert translate(full(state)) == StateUpdate(state=State(state))

    @pytest.mark.parametrize("word", [" paid ", "Paid", "\tPAID\n", "PAID\x00"])
    def test_a_status_is_trimmed_and_upper_case(self, word: str) -> None:
        assert update_of(full(word)).state is State.PAID

    @pytest.mark.parametrize("word", ["SENT", "VALIDATED", "REGISTERED", "registered "])
    def test_the_states_of_the_hub_itself_are_refused(self, word: str) -> None:
        refusal = refusal_of(full(word))
        assert refusal.code == "BR04"
        assert refusal.reason == (
            f"{word.strip().upper()} is set by the hub itself, never by a receiver"
        )

    def test_canceled_is_refused_with_the_way_out(self) -> None:
        assert refusal_of(full("CANCELED")) == Refusal(
            "BR04",
            "CANCELED has no counterpart at the hub: "
            "an invoice that is not wanted is REJECTED, with a reason",
        )

    def test_an_unknown_word_is_refused_by_name(self) -> None:
        refusal = refusal_of(full("PAGADA"))
        assert refusal.code == "BR04"
        assert refusal.reason.startswith('"PAGADA" is not a state; a receiver may set DELIVERED, ')

    def test_an_endless_word_is_not_repeated_in_full(self) -> None:
        assert len(refusal_of(full("x" * 10_000)).reason) < 200

    @pytest.mark.parametrize("word", ["", "  ", "\x00", "\u200b"])
    def test_a_missing_status_is_a_missing_field(self, word: str) -> None:
        assert refusal_of(full(word)).code == "BR05"

    def test_every_legacy_word_is_decided(self) -> None:
        assert TARGETS.keys() | NO_TARGETS.keys() == set(LegacyStatus)
        assert not TARGETS.keys() & NO_TARGETS.keys()

    def test_every_required_detail_is_carried_and_has_a_name_on_the_wire(self) -> None:
        assert all(detail in CARRIED[state] for state, (detail, _) in REQUIRED.items())
        assert {name for names in CARRIED.values() for name in names} == set(WIRE_NAMES)


class TestRegisterNumber:
    def test_annotated_takes_the_register_number(self) -> None:
        expected = StateUpdate(state=State.ANNOTATED, register_number="N/1")
        assert translate(full("ANNOTATED")) == expected

    @pytest.mark.parametrize("empty", [None, "", "  ", "\u200b"])
    def test_old_software_put_it_into_the_registration_number(self, empty: str | None) -> None:
        feedback = Feedback(
            status="ANNOTATED",
            rcf_register_number=empty,
            register_number=" N/2 ",
            register_data_number="N/3",
        )
        assert update_of(feedback).register_number == "N/2"

    def test_still_older_software_put_it_into_the_registration_data(self) -> None:
        feedback = Feedback(status="ANNOTATED", register_data_number="N/3")
        assert update_of(feedback).register_number == "N/3"

    def test_annotated_without_any_number_is_refused(self) -> None:
        assert refusal_of(Feedback(status="ANNOTATED", status_date=NOON)) == Refusal(
            "BR05", "ANNOTATED needs a register number"
        )


class TestPaymentDate:
    def test_paid_takes_the_payment_date(self) -> None:
        feedback = Feedback(status="PAID", payment_date=NOON, status_date=NOON + timedelta(days=9))
        assert translate(feedback) == StateUpdate(state=State.PAID, paid_on=date(2024, 7, 1))

    @pytest.mark.parametrize(
        ("moment", "expected"),
        [
            (datetime(2024, 6, 30, 22, 30, tzinfo=UTC), date(2024, 7, 1)),
            (datetime(2024, 1, 1, 22, 30, tzinfo=UTC), date(2024, 1, 1)),
            (datetime(2024, 1, 1, 23, 30, tzinfo=UTC), date(2024, 1, 2)),
            (datetime(2024, 1, 1, 23, 30), date(2024, 1, 1)),  # noqa: DTZ001
            (datetime(2024, 1, 2, 0, 30, tzinfo=timezone(timedelta(hours=9))), date(2024, 1, 1)),
            (datetime.max.replace(tzinfo=UTC), date.max),
        ],
    )
    def test_a_payment_is_dated_by_the_day_in_madrid(
        self, moment: datetime, expected: date
    ) -> None:
        assert update_of(Feedback(status="PAID", payment_date=moment)).paid_on == expected

    def test_without_a_payment_date_the_date_of_the_state_counts(self) -> None:
        assert update_of(Feedback(status="PAID", status_date=NOON)).paid_on == date(2024, 7, 1)

    def test_paid_without_any_date_is_refused(self) -> None:
        assert refusal_of(Feedback(status="PAID")) == Refusal("BR05", "PAID needs a payment date")

    @pytest.mark.parametrize("date_of_state", ["", "<StatusDate>2026-03-01</StatusDate>"])
    def test_a_payment_date_that_cannot_be_read_is_not_replaced(self, date_of_state: str) -> None:
        content = f"""<DeliveryFeedback><StatusFeedback><InvoiceFeedback><Feedback>
        <Status>PAID</Status>{date_of_state}<PaymentDate>soon</PaymentDate></Feedback>
        </InvoiceFeedback></StatusFeedback></DeliveryFeedback>"""
        (update,) = updates_of(read(content.encode()))
        assert update.outcome == Refusal("BR05", 'PAID has a payment date that is none: "soon"')


class TestReason:
    def test_rejected_takes_code_and_description(self) -> None:
        assert translate(full("REJECTED")) == StateUpdate(
            state=State.REJECTED, reason_code="R1", reason="why"
        )

    @pytest.mark.parametrize("empty", [None, "", " \n", "\x00"])
    def test_without_a_description_the_code_is_the_reason(self, empty: str | None) -> None:
        update = update_of(Feedback(status="REJECTED", reason_code="R1", reason=empty))
        assert (update.reason_code, update.reason) == ("R1", "R1")

    def test_without_description_and_code_the_default_is_the_reason(self) -> None:
        update = update_of(Feedback(status="REJECTED", reason_code="  "))
        assert (update.reason_code, update.reason) == (None, DEFAULT_REASON)

    def test_the_default_can_be_set(self) -> None:
        outcome = translate(Feedback(status="REJECTED"), default_reason=" none given ")
        assert outcome == StateUpdate(state=State.REJECTED, reason="none given")

    def test_with_an_empty_default_a_reason_is_required(self) -> None:
        assert refusal_of(Feedback(status="REJECTED"), default_reason=" ") == Refusal(
            "BR05", "REJECTED needs a reason"
        )

    def test_control_characters_and_lone_surrogates_do_not_get_through(self) -> None:
        update = update_of(Feedback(status="REJECTED", reason="a\x00b\x85c\ud800d\ne"))
        assert update.reason == "a b c\ufffdd\ne"

    def test_a_long_reason_is_left_whole(self) -> None:
        reason = "x" * 100_000
        assert update_of(Feedback(status="REJECTED", reason=reason)).reason == reason


def errors_of_the_hub(body: dict[str, str]) -> list[int]:
    """A strict reading of "Update" and "Errors" in the hub's interface: the errors it draws."""
    targets = {"DELIVERED", "ANNOTATED", "RECEIVED", "ACCEPTED", "RECOGNISED", "PAID", "REJECTED"}
    estat, paid = body.get("estat"), body.get("dataPagament")
    rules = {
        3001: estat not in targets,
        3002: estat == "ANNOTATED" and not body.get("numeroRegistreRCF", "").strip(),
        3003: estat == "REJECTED" and not body.get("descripcioMotiuRebuig", "").strip(),
        3004: estat == "PAID" and paid is None,
        3006: paid is not None and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", paid),
        3008: estat != "REJECTED"
        and bool({"codiMotiuRebuig", "descripcioMotiuRebuig"} & set(body)),
    }
    return [code for code, drawn in rules.items() if drawn]


texts = st.none() | st.text(st.characters(exclude_categories=()), max_size=20)
moments = st.none() | st.datetimes(timezones=st.none() | st.timezones())
words = st.sampled_from([*LegacyStatus, *(f" {word.lower()}\n" for word in LegacyStatus)])
feedbacks = st.builds(
    Feedback,
    status=words | st.text(max_size=10),
    status_code=texts,
    status_date=moments,
    reason_code=texts,
    reason=texts,
    register_data_number=texts,
    register_number=texts,
    rcf_register_number=texts,
    payment_date=moments,
)


class TestWhateverTheInput:
    @given(feedback=feedbacks, default_reason=st.text(max_size=5))
    def test_an_update_never_draws_a_predictable_error(
        self, feedback: Feedback, default_reason: str
    ) -> None:
        outcome = translate(feedback, default_reason=default_reason)
        if isinstance(outcome, Refusal):
            assert outcome.code in {"BR04", "BR05"}
            assert outcome.reason
        else:
            assert errors_of_the_hub(patch_body(outcome)) == []

    @given(feedback=feedbacks)
    def test_an_update_can_always_be_sent_as_json(self, feedback: Feedback) -> None:
        outcome = translate(feedback)
        if isinstance(outcome, StateUpdate):
            body = patch_body(outcome)
            assert json.loads(json.dumps(body, ensure_ascii=False).encode("utf-8")) == body

    @given(feedback=feedbacks)
    def test_an_update_that_the_hub_took_has_the_same_effect_again(
        self, feedback: Feedback
    ) -> None:
        outcome = translate(feedback)
        if isinstance(outcome, StateUpdate):
            assert same_effect(outcome, shown(outcome))


def shown(update: StateUpdate) -> Invoice:
    return Invoice(
        hub_id=HubId("1"),
        state=update.state,
        register_number=update.register_number,
        reason_code=update.reason_code,
        reason=update.reason,
        paid_on=update.paid_on,
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 3001),
        ({"estat": "SENT"}, 3001),
        ({"estat": "ANNOTATED"}, 3002),
        ({"estat": "REJECTED", "descripcioMotiuRebuig": " "}, 3003),
        ({"estat": "PAID"}, 3004),
        ({"estat": "PAID", "dataPagament": "1/7/2024"}, 3006),
        ({"estat": "DELIVERED", "codiMotiuRebuig": ""}, 3008),
    ],
)
def test_the_strict_reading_knows_each_error(body: dict[str, str], code: int) -> None:
    assert errors_of_the_hub(body) == [code]


class TestBody:
    def test_a_body_speaks_the_words_of_the_hub(self) -> None:
        update = StateUpdate(state=State.REJECTED, reason_code="R1", reason="why")
        assert patch_body(update) == {
            "estat": "REJECTED",
            "codiMotiuRebuig": "R1",
            "descripcioMotiuRebuig": "why",
        }

    def test_a_date_is_written_year_month_day(self) -> None:
        update = StateUpdate(state=State.PAID, paid_on=date(2024, 7, 1))
        assert patch_body(update) == {"estat": "PAID", "dataPagament": "2024-07-01"}

    def test_a_register_number_has_its_own_word(self) -> None:
        update = StateUpdate(state=State.ANNOTATED, register_number="N/1")
        assert patch_body(update) == {"estat": "ANNOTATED", "numeroRegistreRCF": "N/1"}

    def test_a_detail_that_the_state_does_not_carry_is_left_out(self) -> None:
        update = StateUpdate(state=State.DELIVERED, reason="why", register_number="N/1")
        assert patch_body(update) == {"estat": "DELIVERED"}


class TestSameEffect:
    @pytest.mark.parametrize(
        ("update", "shown", "same"),
        [
            ({"state": "RECEIVED"}, {"state": "RECEIVED"}, True),
            ({"state": "RECEIVED"}, {"state": "ACCEPTED"}, False),
            ({"state": "RECEIVED"}, {}, False),
            ({"state": "RECEIVED"}, {"state": "RECEIVED", "register_number": "N"}, True),
            (
                {"state": "ANNOTATED", "register_number": "N"},
                {"state": "ANNOTATED", "register_number": " N "},
                True,
            ),
            (
                {"state": "ANNOTATED", "register_number": "N"},
                {"state": "ANNOTATED", "register_number": "M"},
                False,
            ),
            ({"state": "ANNOTATED", "register_number": "N"}, {"state": "ANNOTATED"}, False),
            (
                {"state": "REJECTED", "reason": "why"},
                {"state": "REJECTED", "reason": "why", "reason_code": ""},
                True,
            ),
            (
                {"state": "REJECTED", "reason": "why"},
                {"state": "REJECTED", "reason": "why", "reason_code": "R"},
                False,
            ),
            (
                {"state": "REJECTED", "reason": "why"},
                {"state": "REJECTED", "reason": "what"},
                False,
            ),
            (
                {"state": "PAID", "paid_on": date(2024, 7, 1)},
                {"state": "PAID", "paid_on": date(2024, 7, 1)},
                True,
            ),
            (
                {"state": "PAID", "paid_on": date(2024, 7, 1)},
                {"state": "PAID", "paid_on": date(2024, 7, 2)},
                False,
            ),
        ],
    )
    def test_state_and_details_must_agree(
        self, update: dict[str, object], shown: dict[str, object], same: bool
    ) -> None:
        def typed(values: dict[str, object]) -> dict[str, object]:
            return values | ({"state": State(str(values["state"]))} if "state" in values else {})

        invoice = Invoice(hub_id=HubId("1"), **typed(shown))  # type: ignore[arg-type]
        assert same_effect(StateUpdate(**typed(update)), invoice) is same  # type: ignore[arg-type]


def entry(*states: Feedback, hub_id: str = "") -> StatusFeedback:
    invoice = InvoiceFeedback(
        invoice_id=" F/7 ",
        supplier_cif="A1",
        invoice_date=date(2024, 3, 1),
        feedbacks=states,
    )
    return StatusFeedback(hub=HubFeedback(hub_id=hub_id) if hub_id else None, invoice=invoice)


class TestUpdatesOfAFile:
    def test_updates_come_in_document_order_with_their_positions(self) -> None:
        message = DeliveryFeedback(
            entries=(entry(full("RECEIVED"), full("PAID")), entry(full("ACCEPTED")))
        )
        updates = updates_of(message)
        assert [update.where for update in updates] == [
            "update 1 of 3",
            "update 2 of 3",
            "update 3 of 3",
        ]
        states = [u.outcome.state for u in updates if isinstance(u.outcome, StateUpdate)]
        assert states == [State.RECEIVED, State.PAID, State.ACCEPTED]

    def test_an_update_says_which_invoice_it_means(self) -> None:
        (update,) = updates_of(DeliveryFeedback(entries=(entry(full("RECEIVED"), hub_id=" 9 "),)))
        assert update == ReadUpdate(
            position=1,
            total=1,
            asked_state="RECEIVED",
            hub_id=HubId("9"),
            invoice_number="F/7",
            supplier_nif="A1",
            invoice_date=date(2024, 3, 1),
            outcome=StateUpdate(state=State.RECEIVED),
        )

    @pytest.mark.parametrize("hub_id", [".", "..", "9" * 1001])
    def test_what_cannot_be_an_id_is_refused_and_no_id(self, hub_id: str) -> None:
        (update,) = updates_of(DeliveryFeedback(entries=(entry(full("PAID"), hub_id=hub_id),)))
        said = f'"{hub_id[:40]}" cannot be the id of an invoice'
        assert (update.hub_id, update.outcome) == (None, Refusal("BR02", said))

    @pytest.mark.parametrize("hub_id", ["", " "])
    def test_an_empty_hub_id_is_none(self, hub_id: str) -> None:
        (update,) = updates_of(DeliveryFeedback(entries=(entry(full("PAID"), hub_id=hub_id),)))
        assert update.hub_id is None

    def test_a_bad_update_does_not_hide_the_good_ones(self) -> None:
        message = DeliveryFeedback(entries=(entry(Feedback(status="ANNOTATED"), full("PAID")),))
        first, second = (update.outcome for update in updates_of(message))
        assert isinstance(first, Refusal)
        assert isinstance(second, StateUpdate)

    @pytest.mark.parametrize(
        "empty", [StatusFeedback(), StatusFeedback(hub=HubFeedback(hub_id="9")), entry()]
    )
    def test_an_entry_that_tells_no_state_is_refused(self, empty: StatusFeedback) -> None:
        first, second = updates_of(DeliveryFeedback(entries=(empty, entry(full("PAID")))))
        assert isinstance(first.outcome, Refusal)
        assert first.outcome.code == "BR05"
        assert (first.position, second.position, first.total) == (1, 2, 2)

    def test_a_file_without_entries_has_no_updates(self) -> None:
        assert updates_of(DeliveryFeedback()) == ()

    def test_the_default_reason_reaches_every_update(self) -> None:
        message = DeliveryFeedback(entries=(entry(Feedback(status="REJECTED")),))
        (update,) = updates_of(message, default_reason="none given")
        assert update.outcome == StateUpdate(state=State.REJECTED, reason="none given")
