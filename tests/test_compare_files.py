"""What two Facturae files say differently: equivalent copies, and each changed fact by name."""

import re
from pathlib import Path
from xml.dom import minidom
from xml.etree import ElementTree

import pytest

from bridge.facturae import FacturaeError
from bridge.sandbox.alterations import CONTENTS, FORMS, applies
from bridge.sandbox.invoices import Generator
from bridge.xml_facts import MOST_DIFFERENCES, MOST_XML_LINES, compare_files
from tests.facturae_samples import facturae, invoice

REAL = Path(__file__).parent.parent.parent / "shared" / "data" / "facturae"


def samples() -> list[bytes]:
    """Generated invoices of all versions, and the real ones where they are at hand."""
    generator = Generator(seed=3)
    generated = [generator.next_invoice().facturae() for _ in range(12)]
    return [*generated, *(path.read_bytes() for path in sorted(REAL.glob("*.xml")))]


SAMPLES = samples()


def fields(legacy: bytes, rest: bytes) -> list[str]:
    return [difference.field for difference in compare_files(legacy, rest).differences]


# -- the same, in another form -------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_copy_in_another_form_is_equivalent(form: str) -> None:
    copies = [FORMS[form].change(content) for content in SAMPLES]
    assert all(copy != content for copy, content in zip(copies, SAMPLES, strict=True))
    found = [compare_files(*pair) for pair in zip(SAMPLES, copies, strict=True)]
    assert all(each.equivalent and not each.differences and not each.xml for each in found)


@pytest.mark.parametrize(
    "written",
    [
        lambda content: ElementTree.tostring(ElementTree.fromstring(content)),
        lambda content: minidom.parseString(content).toprettyxml(encoding="utf-8"),
    ],
    ids=["ElementTree", "minidom"],
)
def test_what_another_xml_library_writes_is_equivalent(written: object) -> None:
    assert callable(written)
    assert all(compare_files(content, written(content)).equivalent for content in SAMPLES)


def test_comments_do_not_count() -> None:
    content = facturae()
    assert compare_files(
        content.encode(), content.replace("<Parties>", "<!-- x --><Parties>").encode()
    ).equivalent


def test_another_namespace_is_a_difference() -> None:
    one, other = facturae("3.2.1"), facturae("3.2.2")
    same_version = other.replace("<SchemaVersion>3.2.2", "<SchemaVersion>3.2.1")
    assert fields(one.encode(), same_version.encode()) == ["xml"]


# -- what differs --------------------------------------------------------------------------------


@pytest.mark.parametrize("content", CONTENTS)
def test_a_changed_fact_is_named_and_nothing_else_is(content: str) -> None:
    alteration = CONTENTS[content]
    tried = [each for each in SAMPLES if applies(alteration, each)]
    assert tried
    for each in tried:
        found = fields(each, alteration.change(each))
        assert set(found) == {alteration.field}


def test_both_values_are_given() -> None:
    other = facturae(invoices=invoice(total="1210.01"))
    found = compare_files(facturae().encode(), other.encode())
    assert [(it.field, it.legacy, it.rest) for it in found.differences] == [
        ("total", "1210.00", "1210.01")
    ]


def test_a_fact_that_one_side_lacks_is_none_there() -> None:
    other = re.sub(r"<InvoiceSeriesCode>.*</InvoiceSeriesCode>", "", facturae())
    found = compare_files(facturae().encode(), other.encode())
    assert [(it.field, it.legacy, it.rest) for it in found.differences] == [("series", "F24", None)]


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("L01080193", "accounting_office"),
        ("L01080194", "managing_body"),
        ("L01080195", "processing_unit"),
        (">X1<", "dir3 04"),
    ],
)
def test_each_dir3_code_has_its_name(code: str, field: str) -> None:
    other = facturae().replace(code, code.replace("L0", "L9").replace("X1", "X2"))
    assert fields(facturae().encode(), other.encode()) == [field]


def test_a_line_more_is_counted() -> None:
    line = "<Items><InvoiceLine><Quantity>1</Quantity></InvoiceLine></Items></Invoice>"
    one = facturae().replace("</Invoice>", line)
    two = one.replace(
        "</InvoiceLine>", "</InvoiceLine><InvoiceLine><Quantity>2</Quantity></InvoiceLine>"
    )
    assert fields(one.encode(), two.encode()) == ["lines", "line 2 Quantity"]


def test_what_has_no_plain_name_is_named_by_its_place() -> None:
    other = facturae().replace("<Modality>I<", "<Modality>L<")
    assert fields(facturae().encode(), other.encode()) == ["FileHeader/Modality"]


def test_the_second_invoice_of_a_batch_counts_too() -> None:
    one = facturae(invoices=invoice() + invoice(number="8"))
    other = one.replace("<InvoiceNumber>8<", "<InvoiceNumber>9<")
    assert fields(one.encode(), other.encode()) == ["number (2)"]


def test_another_signature_is_a_difference() -> None:
    one = facturae(signed=True)
    other = one.replace("<ds:SignedInfo/>", "<ds:SignedInfo>x</ds:SignedInfo>")
    assert fields(one.encode(), other.encode()) == ["signature_value"]


# -- how much ------------------------------------------------------------------------------------


def test_the_xml_difference_shows_the_changed_line() -> None:
    other = facturae().replace("1210.00", "1210.01")
    lines = compare_files(facturae().encode(), other.encode()).xml
    changed = [line.replace(" ", "") for line in lines if line[0] in "+-"]
    assert changed[2:] == [
        "-<InvoiceTotal>1210.00</InvoiceTotal>",
        "+<InvoiceTotal>1210.01</InvoiceTotal>",
    ]


def test_files_that_have_nothing_in_common_give_a_bounded_difference() -> None:
    lines = "".join(f"<A{number}>x</A{number}>" for number in range(3000))
    other = f"<Facturae>{lines}</Facturae>"
    found = compare_files(facturae().encode(), other.encode())
    assert len(found.differences) == MOST_DIFFERENCES
    assert len(found.xml) <= MOST_XML_LINES + 1


@pytest.mark.parametrize(
    "broken", [b"", b"<Facturae>", b"<!DOCTYPE x [<!ENTITY a 'b'>]><Facturae>&a;</Facturae>"]
)
def test_what_is_no_xml_document_is_refused(broken: bytes) -> None:
    with pytest.raises(FacturaeError):
        compare_files(facturae().encode(), broken)
