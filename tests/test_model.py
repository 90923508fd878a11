"""The nouns: states, their codes, and what stands still."""

import dataclasses
import inspect

import pytest

from bridge import model
from bridge.model import FINAL_STATES, PENDING_STATES, LegacyStatus, State

CODES = {
    "SENT": ("1000", "1000"),
    "REGISTERED": ("1200", "1200"),
    "DELIVERED": ("1200", "1250"),
    "ANNOTATED": ("1300", "1400"),
    "RECEIVED": ("1300", "2100"),
    "ACCEPTED": ("1300", "2300"),
    "RECOGNISED": ("2400", "2400"),
    "PAID": ("2500", "2500"),
    "REJECTED": ("2600", "2600"),
}


@pytest.mark.parametrize(("name", "codes"), CODES.items())
def test_a_state_has_the_codes_that_the_hub_publishes(name: str, codes: tuple[str, str]) -> None:
    assert (State(name).public_code, State(name).technical_code) == codes


def test_there_are_nine_states() -> None:
    assert {state.value for state in State} == set(CODES)


def test_the_legacy_words_are_the_states_and_two_more() -> None:
    assert set(LegacyStatus) == set(CODES) | {"VALIDATED", "CANCELED"}


def test_no_state_is_pending_and_final() -> None:
    assert not PENDING_STATES & FINAL_STATES


NOUNS = [item for _, item in inspect.getmembers(model, dataclasses.is_dataclass)]


@pytest.mark.parametrize("noun", NOUNS)
def test_a_noun_stands_still(noun: type) -> None:
    instance: object = object.__new__(noun)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(instance, dataclasses.fields(noun)[0].name, "changed")
    assert not hasattr(instance, "__dict__")
