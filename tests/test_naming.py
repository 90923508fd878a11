"""Names: what goes into a name comes back out, and nothing hostile survives in one."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.errors import InvoiceError, SettingsError
from bridge.naming import Folder, NameParts, Profile, ProfileError, is_temporary, parse_profile
from bridge.naming import extension_of as extension
from bridge.settings import read_profile

TEXT = read_profile("efact")
PROFILE = parse_profile(TEXT)

anything = st.text(max_size=300)
ids = st.text(min_size=1, max_size=12).filter(lambda text: len(text.encode()) <= 16)
"""As long as the longest codes leave room for in a name, were each byte to be escaped."""
attachments = st.integers(min_value=1, max_value=12_345)
plain = st.text(st.sampled_from("ABCabc0123-_ çñ.%"), min_size=1, max_size=20).filter(
    lambda text: text.strip() == text and text[0] != "." and text[-1] != "."
)


def parts(**changes: object) -> NameParts:
    values: dict[str, object] = {
        "sender": "ES0801234567890123456A",
        "receiver": "P0801900B",
        "reference": "F-7",
        "hub_id": "123456",
        "attachment": 1,
        "message_id": "99",
    }
    return NameParts(**(values | changes))  # type: ignore[arg-type]


def all_names(profile: Profile, given_parts: NameParts) -> dict[Folder, str]:
    return {
        Folder.OUT: profile.invoice_name(given_parts),
        Folder.ADJOUT: profile.attachment_name(given_parts),
        Folder.STATOUT: profile.message_name(given_parts),
        Folder.STATIN: profile.state_file_name(given_parts),
    }


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


class TestWriting:
    def test_an_invoice_is_named_by_sender_receiver_reference_and_hub_id(self) -> None:
        assert PROFILE.invoice_name(parts()) == "ES0801234567890123456A@P0801900B@F-7@123456.XML"

    def test_an_attachment_bears_its_number_and_its_own_extension(self) -> None:
        name = PROFILE.attachment_name(parts(attachment=2, extension="PDF"))
        assert name == "ES0801234567890123456A@P0801900B@F-7@123456@002.pdf"

    def test_a_message_ends_in_its_own_id(self) -> None:
        assert PROFILE.message_name(parts()) == "ES0801234567890123456A@P0801900B@F-7@99.XML"

    def test_a_state_file_names_the_receiver_first(self) -> None:
        assert PROFILE.state_file_name(parts()) == "P0801900B@ES0801234567890123456A@F-7.XML"

    def test_a_slash_in_the_reference_becomes_an_underscore(self) -> None:
        assert "@2024_A_7@" in PROFILE.invoice_name(parts(reference="2024/A/7"))

    def test_an_empty_part_becomes_an_underscore(self) -> None:
        assert PROFILE.state_file_name(parts(sender="", reference=" ")) == "P0801900B@_@_.XML"

    def test_a_long_reference_is_cut_and_nothing_else(self) -> None:
        name = PROFILE.invoice_name(parts(reference="ç" * 500))
        assert len(name.encode()) in (199, 200)
        assert name.startswith("ES0801234567890123456A@P0801900B@çç")
        assert name.endswith("ç@123456.XML")

    def test_a_name_without_its_id_is_refused(self) -> None:
        with pytest.raises(InvoiceError, match="hub_id"):
            PROFILE.invoice_name(parts(hub_id=None))

    def test_an_id_that_no_name_can_hold_is_refused_rather_than_cut(self) -> None:
        with pytest.raises(InvoiceError, match="max_bytes"):
            PROFILE.invoice_name(parts(hub_id="9" * 300))

    def test_an_id_stands_in_a_name_as_it_is(self) -> None:
        assert PROFILE.invoice_name(parts(hub_id="Inv-7_B")).endswith("@Inv-7_B.XML")

    def test_what_no_name_can_hold_is_escaped_in_an_id(self) -> None:
        assert PROFILE.invoice_name(parts(hub_id="aB/1")).endswith("@aB%2F1.XML")

    @pytest.mark.parametrize("word", ["CON", "nul", "Com1", "lpt9.x"])
    def test_no_part_is_a_device_of_windows(self, word: str) -> None:
        profile = parse_profile(changed("{receiver}@{sender}@{reference}", "{reference}"))
        assert profile.state_file_name(parts(reference=word)) == f"{word}_.XML"

    @given(sender=anything, receiver=anything, reference=anything, hub_id=ids, number=attachments)
    @example(sender="../..", receiver="\x00", reference="\ud800", hub_id="\\..\\", number=1)
    @example(sender="~", receiver=".", reference="a\u202eb", hub_id="CON", number=1)
    def test_no_name_can_leave_its_folder_or_hide(
        self, sender: str, receiver: str, reference: str, hub_id: str, number: int
    ) -> None:
        given_parts = parts(
            sender=sender,
            receiver=receiver,
            reference=reference,
            hub_id=hub_id,
            message_id=hub_id,
            attachment=number,
            extension=reference,
        )
        for name in all_names(PROFILE, given_parts).values():
            assert len(name.encode()) <= 200
            assert name[0] not in ".~"
            assert name[-1] not in ". "
            assert not set(name) & set('/\\:*?"<>|')
            assert name.isprintable()


class TestParsing:
    @given(sender=anything, receiver=anything, reference=anything, hub_id=ids, number=attachments)
    @example(sender="@", receiver="@@", reference="@1@.XML", hub_id="@.XML", number=1)
    def test_ids_and_numbers_come_back_from_every_name(
        self, sender: str, receiver: str, reference: str, hub_id: str, number: int
    ) -> None:
        given_parts = parts(
            sender=sender,
            receiver=receiver,
            reference=reference,
            hub_id=hub_id,
            message_id=hub_id,
            attachment=number,
        )
        for folder, name in all_names(PROFILE, given_parts).items():
            found = PROFILE.parse(folder, name)
            assert found is not None
            for field in set(PROFILE.patterns[folder].fields) - {"sender", "receiver", "reference"}:
                assert getattr(found, field) == getattr(given_parts, field)

    @given(sender=plain, receiver=plain, reference=plain, hub_id=ids, number=attachments)
    def test_everything_comes_back_where_nothing_had_to_be_replaced(
        self, sender: str, receiver: str, reference: str, hub_id: str, number: int
    ) -> None:
        given_parts = parts(
            sender=sender,
            receiver=receiver,
            reference=reference,
            hub_id=hub_id,
            message_id=hub_id,
            attachment=number,
        )
        for folder, name in all_names(PROFILE, given_parts).items():
            found = PROFILE.parse(folder, name)
            assert found is not None
            for field in PROFILE.patterns[folder].fields:
                expected = getattr(given_parts, field)
                if isinstance(expected, str) and field in {"sender", "receiver", "reference"}:
                    expected = unicodedata.normalize("NFC", expected)
                assert getattr(found, field) == expected

    @given(one=ids, other=ids, reference=anything)
    @example(one="abc", other="ABC", reference="")
    @example(one="ß", other="ss", reference="")
    @example(one="a%42", other="aB", reference="")
    @example(one="é", other="e\u0301", reference="")
    def test_two_hub_ids_never_share_a_name(self, one: str, other: str, reference: str) -> None:
        def names(hub_id: str) -> tuple[str, str]:
            given_parts = parts(hub_id=hub_id, reference=reference)
            return (
                PROFILE.invoice_name(given_parts),
                PROFILE.attachment_name(given_parts),
            )

        for first, second in zip(names(one), names(other), strict=True):
            assert (first == second) == (one == other)

    @pytest.mark.parametrize("end", ["", ".XML", ".xml", ".Xml", ".xsig", ".xml.xsig"])
    def test_an_invoice_of_the_old_hub_is_understood_with_any_extension(self, end: str) -> None:
        found = PROFILE.parse(Folder.OUT, f"A1@B2@F.2024.7@123456{end}")
        assert found == NameParts(
            sender="A1",
            receiver="B2",
            reference="F.2024.7",
            hub_id="123456",
            extension=end.removeprefix(".") or None,
        )

    def test_an_at_sign_in_the_reference_of_another_writer_does_no_harm(self) -> None:
        found = PROFILE.parse(Folder.OUT, "A1@B2@F@7@123456.XML")
        assert found is not None
        assert (found.reference, found.hub_id) == ("F@7", "123456")

    @pytest.mark.parametrize(("end", "reference"), [("", "F.1"), (".xml", "F.1"), (".XML", "F.1")])
    def test_a_state_file_keeps_the_dots_of_its_reference(self, end: str, reference: str) -> None:
        found = PROFILE.parse(Folder.STATIN, f"B2@A1@F.1{end}")
        assert found is not None
        assert (found.receiver, found.sender, found.reference) == ("B2", "A1", reference)

    @pytest.mark.parametrize("name", ["", "notes.txt", "A@B", "A@B@F@", "A@B@F@.XML"])
    def test_a_name_of_another_form_tells_nothing(self, name: str) -> None:
        assert PROFILE.parse(Folder.OUT, name) is None

    def test_a_folder_without_a_pattern_tells_nothing(self) -> None:
        assert PROFILE.parse(Folder.IN, "A@B@F") is None

    @given(name=anything)
    def test_no_name_is_too_strange_to_be_looked_at(self, name: str) -> None:
        for folder in Folder:
            PROFILE.parse(folder, name)


class TestRecognising:
    @pytest.mark.parametrize("name", ["STATIN", "statin", "StatIn"])
    def test_a_folder_is_known_in_any_case(self, name: str) -> None:
        assert PROFILE.role_of(name) is Folder.STATIN

    def test_another_folder_is_not_known(self) -> None:
        assert PROFILE.role_of("statin2") is None

    def test_a_folder_has_the_name_that_the_profile_gives_it(self) -> None:
        profile = parse_profile(changed('statin = "statin" ', 'statin = "STATIN" '))
        assert profile.folder(Folder.STATIN) == "STATIN"

    @pytest.mark.parametrize(
        ("name", "expected"),
        [("a.XML", True), ("a.xml", True), ("a.Xml", False), ("a.txt", False), (".XML", False)],
    )
    def test_a_state_file_is_known_by_its_extension(self, name: str, expected: bool) -> None:
        assert PROFILE.is_state_file(name) is expected

    def test_a_profile_can_take_capitals_only(self) -> None:
        profile = parse_profile(changed('[".XML", ".xml"]', '[".XML"]'))
        assert not profile.is_state_file("a.xml")

    @pytest.mark.parametrize("name", ["a.xml.filepart", "A.PART", ".a.xml", "~a.xml"])
    def test_a_temporary_name_is_known_in_any_case(self, name: str) -> None:
        assert is_temporary(name, ["*.filepart", "*.part", ".*", "~*"])

    def test_a_final_name_is_not_temporary(self) -> None:
        assert not is_temporary("A@B@F.part.XML", ["*.filepart", "*.part", ".*", "~*"])

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("annex.PDF", "pdf"),
            ("a.tar.gz", "gz"),
            ("README", "bin"),
            (".hidden", "bin"),
            ("x.", "bin"),
            ("x.ñ/../e", "e"),
            ("x.p\x00d\u202ef", "pdf"),
            ("x.averylongextension", "averylon"),
        ],
    )
    def test_an_extension_of_a_hostile_name_is_harmless(self, name: str, expected: str) -> None:
        assert extension(name) == expected


class TestProfiles:
    @pytest.mark.parametrize(
        ("old", "new", "key"),
        [
            ("[folders]", "[folders", "not TOML"),
            ("[folders]", "[stray]\n[folders]", "stray"),
            ('out = "out"', 'out = "out"\nodd = "x"', "folders.odd"),
            ('adjin = "adjin"', "", "folders.adjin"),
            ('out = "out"', "out = 3", "folders.out"),
            ('out = "out"', 'out = "../out"', "folders.out"),
            ('out = "out"', 'out = "nul"', "folders.out"),
            ('adjout = "adjout"', 'adjout = "OUT"', "folders"),
            ("{reference}@{hub_id}", "{reference}", "names.out: {hub_id}"),
            ("{reference}@{message_id}", "{reference}", "names.statout: {message_id}"),
            ("{sender}@{receiver}@", "{sender}{receiver}@", "names.out: a separator"),
            ("{sender}@{receiver}@", "{sender}_{receiver}@", "names.out: a separator"),
            ("{sender}@{receiver}@", "{sender}@{sender}@", "names.out: each"),
            ("{sender}@{receiver}@", "{sender}@{town}@", "names.out: there is no"),
            ("{sender}@{receiver}@", "{sender!r}@{receiver}@", "names.out: a placeholder"),
            ("{sender}@{receiver}@", "{sender@{receiver}@", "names.out"),
            ("{sender}@{receiver}@", "{sender}/{receiver}@", "names.out: a character"),
            ("{sender}@{receiver}@", "../{sender}@{receiver}@", "names.out: a character"),
            ("{sender}@{receiver}@", ".{sender}@{receiver}@", "names.out: names of this form"),
            ('out = ".XML"', 'out = "XML"', "extensions.out"),
            ('[".XML", ".xml"]', "[]", "extensions.statin_accepted"),
            ('[".XML", ".xml"]', '[".XML", 1]', "extensions.statin_accepted"),
            ("max_bytes = 200", "max_bytes = 256", "characters.max_bytes"),
            ("max_bytes = 200", "max_bytes = true", "characters.max_bytes"),
            ('replacement = "_"', 'replacement = "/"', "characters.replacement"),
            ("forbidden = '/", "forbidden = '_/", "characters.replacement"),
            ("forbidden = '/\\:*?\"<>|@'", "forbidden = 1", "characters.forbidden"),
        ],
    )
    def test_a_wrong_profile_is_refused_by_the_name_of_its_key(
        self, old: str, new: str, key: str
    ) -> None:
        with pytest.raises(ProfileError) as caught:
            parse_profile(changed(old, new))
        assert key in str(caught.value)

    def test_a_wrong_profile_is_a_wrong_setting(self) -> None:
        assert issubclass(ProfileError, SettingsError)

    def test_another_separator_is_as_good(self) -> None:
        profile = parse_profile(TEXT.replace("}@{", "} # {"))
        given_parts = parts(reference="a # b", hub_id="a # B")
        found = profile.parse(Folder.OUT, profile.invoice_name(given_parts))
        assert found is not None
        assert (found.reference, found.hub_id) == ("a___b", "a # B")

    def test_a_sender_may_end_a_pattern(self) -> None:
        profile = parse_profile(changed("{receiver}@{sender}@{reference}", "{reference}@{sender}"))
        found = profile.parse(Folder.STATIN, "F.1@A1.xml")
        assert found is not None
        assert (found.reference, found.sender) == ("F.1", "A1")

    def test_names_may_bear_no_extension(self) -> None:
        profile = parse_profile(changed('out = ".XML"', 'out = ""'))
        assert profile.invoice_name(parts()).endswith("@123456")
