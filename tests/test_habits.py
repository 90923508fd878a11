"""What the names of old files show of the naming profile that they followed."""

from dataclasses import replace

import pytest

from bridge.facturae import read_facts
from bridge.model import InvoiceFacts
from bridge.naming import Folder, NameParts, Profile, ProfileError, parse_profile
from bridge.old_files.habits import Habit, NamedFile, habits, profile_text
from bridge.settings import read_profile
from tests.facturae_samples import facturae

BASE = read_profile("efact")
PROFILE = parse_profile(BASE)
FACTS = read_facts(facturae().encode())


def with_reference(form: str) -> Profile:
    return parse_profile(BASE.replace('form = ""', f'form = "{form}"'))


def named(
    name: str, *, folder: str = "out", number: str = "7", series: str | None = None
) -> NamedFile:
    return NamedFile(
        role=Folder.OUT,
        folder=folder,
        parts=PROFILE.parse(Folder.OUT, name),
        facts=replace(FACTS, number=number, series=series),
    )


def found(*files: NamedFile, profile: Profile = PROFILE) -> dict[str, Habit]:
    return {habit.key: habit for habit in habits(profile, files)}


def test_a_habit_is_sure_when_enough_files_show_it_and_none_another() -> None:
    three = [named(f"S@R@7@{number}") for number in range(3)]
    assert found(*three[:2])["extensions.out"].sure is False
    assert found(*three)["extensions.out"].sure is True
    assert found(*three, named("S@R@7@9.XML"))["extensions.out"].sure is False


def test_no_extension_is_a_habit_too() -> None:
    habit = found(named("S@R@7@1"), named("S@R@7@2"), named("S@R@7@3.XML"))["extensions.out"]
    assert (habit.value, habit.agreeing, habit.total, habit.is_news) == ("", 2, 3, True)


def test_where_files_are_divided_the_profile_stays() -> None:
    habit = found(named("S@R@7@1"), named("S@R@7@2.XML"))["extensions.out"]
    assert (habit.value, habit.is_news) == (".XML", False)


def test_what_a_file_manager_calls_a_copy_shows_no_extension() -> None:
    assert "extensions.out" not in found(named("S@R@7@1.XML (2)"))


@pytest.mark.parametrize(
    ("reference", "form"),
    [
        ("7", "{number}"),
        ("F247", "{series}{number}"),
        ("F24-7", "{series}-{number}"),
        ("F24_7", "{series}/{number}"),
    ],
)
def test_the_form_of_the_reference_is_learned_from_invoices_with_a_series(
    reference: str, form: str
) -> None:
    shown = found(named(f"S@R@{reference}@1", series="F24"))
    assert shown["reference.form"].value == form


def test_invoices_without_a_series_show_no_form() -> None:
    assert "reference.form" not in found(named("S@R@7@1"))


@pytest.mark.parametrize(("reference", "mark"), [("2024_7", "_"), ("2024-7", "-")])
def test_what_stands_for_a_slash_is_learned(reference: str, mark: str) -> None:
    shown = found(named(f"S@R@{reference}@1", number="2024/7"))
    assert shown["characters.replacement"].value == mark


def test_a_reference_that_nothing_explains_teaches_nothing() -> None:
    shown = found(named("S@R@whatever@1", series="F24"))
    assert not shown.keys() & {"reference.form", "characters.replacement"}


def test_folders_in_capitals_are_learned() -> None:
    habit = found(named("S@R@7@1", folder="OUT"))["folders.out"]
    assert (habit.value, habit.expected) == ("OUT", "out")


def test_a_learned_profile_names_files_as_the_old_ones_were_named() -> None:
    files = [
        named(
            f"S@R@F24-2024-{number}@{number}", folder="OUT", number=f"2024/{number}", series="F24"
        )
        for number in range(3)
    ]
    profile = parse_profile(profile_text(BASE, habits(PROFILE, files), head="learned"))
    assert profile.folder(Folder.OUT) == "OUT"
    reference = profile.reference_of("2024/1", file_number="2024/1", series="F24")
    parts = NameParts(sender="S", receiver="R", reference=reference, hub_id="1")
    assert profile.invoice_name(parts) == "S@R@F24-2024-1@1"


def test_a_learned_profile_says_on_what_each_habit_stands() -> None:
    files = [named(f"S@R@7@{number}") for number in range(3)] + [named("S@R@7@8.XML")]
    text = profile_text(BASE, habits(PROFILE, files), head="first line\nsecond line")
    assert text.startswith("# first line\n# second line\n")
    assert 'out = ""  # 3 of 4 files, not sure' in text


def test_a_profile_that_learned_nothing_is_the_one_before() -> None:
    assert parse_profile(profile_text(BASE, (), head="")) == PROFILE


# -- the reference -------------------------------------------------------------------------------


def test_a_profile_without_a_form_takes_the_number_that_the_hub_gives() -> None:
    assert PROFILE.reference_of("A/1", file_number="1", series="A") == "A/1"
    assert PROFILE.reference_of(None, file_number="1", series="A") == "1"


@pytest.mark.parametrize(("series", "reference"), [("A", "A-1"), (None, "1"), ("", "1")])
def test_an_invoice_without_a_series_has_its_number_alone(
    series: str | None, reference: str
) -> None:
    profile = with_reference("{series}-{number}")
    assert profile.reference_of("hub", file_number="1", series=series) == reference


def test_an_unreadable_invoice_has_the_hubs_number() -> None:
    assert with_reference("{number}").reference_of("A/1", file_number=None, series=None) == "A/1"


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"reference\.form"):
        with_reference("{number.__class__}")


def test_facts_are_needed_to_learn_a_reference() -> None:
    nameless: InvoiceFacts | None = None
    file = replace(named("S@R@7@1", series="F24"), facts=nameless)
    assert "reference.form" not in found(file)
