"""The three languages: what their catalogues must have, and how they write values."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from string import Formatter

import pytest
from babel.messages.catalog import Message as Entry

from reconcile.language import LANGUAGES, Message, catalogue, language
from reconcile.rendering.html_file import TYPED
from tests.catalogues import stored, unfinished, update, wanted

TRANSLATED = LANGUAGES[1:]
NAMES = re.compile(r"SHA-256|REST|XML|AOC|efact-[a-z]+")


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _all(kept: re.Pattern[str], text: str) -> set[str]:
    return set(kept.findall(text))


def texts(entry: Entry) -> list[tuple[str, str]]:
    """Return each sentence of an entry with its translation."""
    if isinstance(entry.id, tuple):
        return list(zip(entry.id, entry.string, strict=True))
    return [(str(entry.id), str(entry.string))]


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_sentence_is_translated(code: str) -> None:
    assert [entry.id for entry in unfinished(code)] == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_catalogue_has_the_sentences_of_the_code_and_no_others(code: str) -> None:
    assert {entry.id for entry in stored(code)} == {entry.id for entry in wanted()} | {""}


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_translation_has_the_places_of_its_sentence(code: str) -> None:
    pairs = [pair for entry in stored(code) if entry.id for pair in texts(entry)]
    assert [english for english, other in pairs if places(english) != places(other)] == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_what_is_typed_or_set_is_not_translated(code: str) -> None:
    pairs = [pair for entry in stored(code) if entry.id for pair in texts(entry)]
    for kept in (TYPED, NAMES):
        lost = [(one, other) for one, other in pairs if _all(kept, one) - _all(kept, other)]
        assert lost == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_finished_catalogue_is_left_as_it_is(code: str) -> None:
    before = catalogue(code).read_bytes()
    update(code)
    assert catalogue(code).read_bytes() == before


def test_another_language_is_refused() -> None:
    with pytest.raises(ValueError, match="'fr' is none of en, ca, es"):
        language("fr")


def test_one_is_told_otherwise_than_many() -> None:
    message = Message("{count} invoice came twice.", "{count} invoices came twice.")
    said = [language("ca").say(message, count=count) for count in (1, 2000)]
    assert said == [
        "1 factura ha arribat dues vegades.",
        "2.000 factures han arribat dues vegades.",
    ]


def test_a_value_with_braces_is_only_a_value() -> None:
    said = language("en").say("No {state} invoice so far", state="{count} {0}")
    assert said == "No {count} {0} invoice so far"


@pytest.mark.parametrize(
    ("code", "said"), [("en", "1,234,567.5"), ("ca", "1.234.567,5"), ("es", "1.234.567,5")]
)
def test_a_number_is_written_as_the_language_does(code: str, said: str) -> None:
    assert language(code).number(Decimal("1234567.5")) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1210", "1.210,00"),
        ("-0.5", "-0,50"),
        ("12.3456", "12,3456"),
        ("NaN", "NaN"),
        ("1E+999999", "1E+999999"),
        ("a lot", "a lot"),
    ],
)
def test_an_amount_keeps_its_digits_and_what_is_none_stays_as_it_is(text: str, said: str) -> None:
    assert language("es").amount(text) == said


def test_a_moment_is_told_as_clocks_in_madrid_show_it() -> None:
    night = datetime(2026, 6, 30, 22, 30, tzinfo=UTC)
    assert language("en").moment(night) == "2026-07-01 00:30"
    assert language("ca").moment(night) == "01/07/2026 00:30"


def test_a_date_in_a_sentence_is_written_out() -> None:
    assert language("ca").long_day(date(2026, 4, 2)) == "2 d’abril del 2026"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.6, "1 min"),
        (86400, "24 h"),
        (3 * 3600 + 12 * 60 + 5, "3 h 12 min"),
        (1000 * 86400, "1,000 d"),
        (-90, "−1 min 30 s"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, said: str) -> None:
    assert language("en").duration(seconds) == said


def test_names_are_listed_as_the_language_does() -> None:
    names = ("ANNOTATED", "PAID", "REJECTED")
    assert language("en").names(names) == "ANNOTATED, PAID and REJECTED"
    assert language("ca").names(names, last="or") == "ANNOTATED, PAID o REJECTED"


def test_a_share_is_nothing_only_where_there_is_nothing() -> None:
    share = language("en").share
    assert [share(0, 9), share(1, 9999), share(9998, 9999), share(9, 9), share(0, 0)] == [
        "0 %",
        "< 0.1 %",
        "> 99.9 %",
        "100 %",
        "–",
    ]
