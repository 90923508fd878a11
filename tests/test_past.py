"""What files of an old mailbox tell: which invoice a file is, and whose codes are in its name."""

import hashlib
from datetime import UTC, datetime
from pathlib import PurePath

import pytest

from bridge import feedback
from bridge.naming import Profile, parse_profile
from bridge.old_files.file import Broken, OldFile, Statements, what_it_is
from bridge.old_files.past import Past, weigh
from bridge.settings import read_profile
from tests.facturae_samples import facturae, invoice

EFACT = read_profile("efact")
PROFILES = {"efact": parse_profile(EFACT)}
INVOICE = facturae().encode()
OTHER = facturae(invoices=invoice(number="8")).encode()


def old(path: str, content: bytes = INVOICE) -> OldFile:
    where = PurePath(path)
    return OldFile(
        path=where,
        name=where.name,
        modified=datetime(2024, 3, 5, tzinfo=UTC),
        digest=hashlib.sha256(content).hexdigest(),  # type: ignore[arg-type]
        content=what_it_is(content),
    )


def message(
    hub_id: str, filename: str | None = None, number: str = "", status: str | None = None
) -> bytes:
    """A state message of an invoice that the supplier of the sample wrote that day."""
    hub = feedback.HubFeedback(hub_id=hub_id, filename=filename, status=status)
    about = feedback.InvoiceFeedback(
        invoice_id=number,
        supplier_cif="ESB17000001",
        invoice_date=feedback.read_date("2024-03-01"),
        feedbacks=(feedback.Feedback(status="REGISTERED"),),
    )
    entry = feedback.StatusFeedback(hub=hub, invoice=about)
    return feedback.write(feedback.DeliveryFeedback(entries=(entry,)))


def past(*files: OldFile, profiles: dict[str, Profile] | None = None) -> Past:
    return weigh(files, profiles or PROFILES)


def ids(found: Past) -> list[str]:
    return [invoice.hub_id for invoice in found.invoices]


def unknown(found: Past) -> list[str]:
    return [file.name for file in found.without_hub_id]


# -- which invoice it is -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "S@R@F_7@4100055",
        "S@R@F_7@4100055.XML",
        "S@R@F_7@4100055.xsig",
        "OUT/S@R@F_7@4100055.xml",
        "2024/03/Out/S@R@F@7@4100055.XML",
    ],
)
def test_an_invoice_has_the_hub_id_in_its_name(path: str) -> None:
    assert ids(past(old(path))) == ["4100055"]


def test_a_signed_invoice_is_one_too() -> None:
    assert ids(past(old("S@R@F_7@1234", facturae(signed=True).encode()))) == ["1234"]


@pytest.mark.parametrize("name", ["S@R@F_7@4100055 (2).XML", "F_7.xml", "S@R@F_7.XML"])
def test_a_name_without_a_hub_id_gives_none(name: str) -> None:
    found = past(old(name))
    assert (ids(found), unknown(found)) == ([], [name])


def test_a_message_that_names_the_file_gives_the_hub_id() -> None:
    found = past(old("Factura 7.xml"), old("m.XML", message("4100055", "factura 7")))
    assert (ids(found), unknown(found)) == (["4100055"], [])


@pytest.mark.parametrize("number", ["7", "f24-7", "F24/7", "F247"])
def test_a_message_with_number_supplier_and_date_gives_the_hub_id(number: str) -> None:
    assert ids(past(old("a.xml"), old("m.XML", message("4100055", number=number)))) == ["4100055"]


def test_two_messages_that_fit_give_none() -> None:
    found = past(
        old("a.xml"),
        old("m.XML", message("4100055", number="7")),
        old("n.XML", message("4100056", number="7")),
    )
    assert (ids(found), unknown(found)) == ([], ["a.xml"])


def test_a_message_that_fits_two_invoices_gives_none() -> None:
    signed = facturae(signed=True).encode()
    said = old("m.XML", message("4100055", number="7"))
    found = past(old("a.xml"), old("b.xml", signed), said)
    assert (ids(found), unknown(found)) == ([], ["a.xml", "b.xml"])


def test_a_hub_id_that_a_name_has_taken_is_not_given_to_another_file() -> None:
    said = old("m.XML", message("4100055", number="8"))
    found = past(old("S@R@F_7@4100055.XML"), old("b.xml", OTHER), said)
    assert (ids(found), unknown(found)) == (["4100055"], ["b.xml"])


def test_a_message_with_a_hub_id_that_is_none_gives_none() -> None:
    assert ids(past(old("a.xml"), old("m.XML", message("no id", "a.xml")))) == []


def test_an_answer_to_a_state_file_gives_no_hub_id() -> None:
    found = past(old("a.xml"), old("m.XML", message("4100055", "a.xml", status="REJECTED")))
    assert ids(found) == []


def test_a_copy_under_another_name_is_the_same_invoice() -> None:
    found = past(old("a/S@R@F_7@4100055.XML"), old("b/S@R@F_7@4100055"), old("c/copy.xml"))
    assert (ids(found), unknown(found), found.problems) == (["4100055"], [], ())


def test_a_message_that_contradicts_the_name_leaves_it_open() -> None:
    name = "S@R@F_7@4100055.XML"
    found = past(old(name), old("m.XML", message("4100056", name)))
    (problem,) = found.problems
    assert ids(found) == []
    assert name in problem
    assert "4100056" in problem


def test_two_different_files_of_one_hub_id_are_told() -> None:
    found = past(old("a/S@R@F_7@4100055.XML"), old("b/S@R@F_7@4100055.XML", OTHER))
    (problem,) = found.problems
    assert ids(found) == ["4100055"]
    assert "b/S@R@F_7@4100055.XML" in problem


def test_the_message_tells_the_registration() -> None:
    said = message("4100055")
    said = said.replace(
        b"</Feedback>",
        b"<RegisterData><Number>E/1</Number><Date>2024-03-02T10:00:00</Date></RegisterData>"
        b"</Feedback>",
    )
    (found,) = past(old("S@R@F_7@4100055"), old("m.XML", said)).invoices
    assert found.statement is not None
    assert found.statement.registration_number == "E/1"


# -- what is no invoice --------------------------------------------------------------------------


def test_a_message_is_no_invoice_though_its_name_looks_like_one() -> None:
    assert ids(past(old("S@R@F_7@8100001.XML", message("4100055")))) == []


@pytest.mark.parametrize(("path", "counted"), [("in/S@R@F_7", 1), ("ADJIN/S@R@F_7@001.xml", 0)])
def test_what_the_platform_issued_is_passed_over(path: str, counted: int) -> None:
    found = past(old(path))
    assert (ids(found), unknown(found), found.issued) == ([], [], counted)
    assert found.names.total == 0


def test_an_invoice_with_a_hub_id_was_received_even_if_its_folder_is_called_in() -> None:
    assert ids(past(old("in/S@R@F_7@4100055.XML"))) == ["4100055"]


def test_in_statout_the_last_part_of_a_name_is_no_hub_id() -> None:
    assert ids(past(old("statout/S@R@F_7@8100001.XML"))) == []


@pytest.mark.parametrize("content", [b"", INVOICE[:-200], b"\xff\xfe<\x00F\x00"])
def test_a_broken_invoice_is_told_and_not_counted(content: bytes) -> None:
    found = past(old("S@R@F_7@4100055.XML", content))
    assert (ids(found), unknown(found), len(found.problems)) == ([], [], 1)


@pytest.mark.parametrize(
    ("name", "content"), [("Thumbs.db", b"\x00\x01"), (".keep", b""), ("list.xml", b"<list/>")]
)
def test_other_files_are_passed_over(name: str, content: bytes) -> None:
    assert past(old(name, content)).problems == ()


@pytest.mark.parametrize("path", ["adjout/S@R@F_7@4100055@002.xml", "S@R@F_7@4100055@002.XML"])
def test_an_attachment_is_told_by_its_name_even_if_it_is_a_facturae(path: str) -> None:
    found = past(old(path))
    (attachment,) = found.attachments
    assert (attachment.hub_id, attachment.position, ids(found)) == ("4100055", 2, [])


def test_bytes_of_every_kind_are_something() -> None:
    assert isinstance(what_it_is(message("1")), Statements)
    assert isinstance(what_it_is(b"<a>"), Broken)
    assert what_it_is(b"%PDF-1.7") is None


# -- codes ---------------------------------------------------------------------------------------


def test_a_name_tells_which_codes_stand_for_the_tax_ids_of_its_invoice() -> None:
    (found,) = past(old("SENDER@RECEIVER@F_7@4100055.XML")).invoices
    assert found.codes == (("B17000001", "SENDER"), ("P0801900B", "RECEIVER"))


def test_a_tax_id_in_a_name_is_no_code() -> None:
    (found,) = past(old("ESB17000001@@F_7@4100055.XML")).invoices
    assert found.codes == ()


# -- names ---------------------------------------------------------------------------------------


def test_names_are_counted_against_the_profile() -> None:
    names = past(
        old("OUT/S@R@F_7@1001.XML"),
        old("OUT/S@R@F_7@1002.xsig"),
        old("OUT/S@R@F_7@1003"),
        old("OUT/other.xml", OTHER),
        old("OUT/S@R@F_7@1001.PDF", b"%PDF-1.7"),
        old("AdjOut/S@R@F_7@1001@001.pdf", b"%PDF-1.7"),
    ).names
    assert (names.profile, names.fitting, names.total) == ("efact", 3, 4)
    shown = {habit.key: (habit.value, habit.agreeing, habit.total) for habit in names.habits}
    assert shown["folders.out"] == ("OUT", 4, 4)
    assert shown["folders.adjout"] == ("AdjOut", 1, 1)
    assert shown["extensions.out"] == (".XML", 1, 3)


def test_names_are_read_by_the_profile_that_they_follow() -> None:
    mine = parse_profile(EFACT.replace('"{sender}@{receiver}@', '"{sender}#{receiver}#'))
    found = past(old("S@R@F_7@4100055.XML"), profiles={"mine": mine, **PROFILES})
    assert (found.names.profile, ids(found)) == ("efact", ["4100055"])


def test_no_files_tell_nothing() -> None:
    found = past()
    assert (found.invoices, found.problems, found.names.total) == ((), (), 0)
