"""What the sandbox generates: the same for the same seed, and what it claims to be."""

import io
import re
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from bridge.errors import SettingsError
from bridge.facturae import read_facts
from bridge.sandbox.attachments import CONTENT_TYPES, HOSTILE_NAMES
from bridge.sandbox.book import Book
from bridge.sandbox.invoices import Generator
from bridge.sandbox.parties import cif, nif, suppliers, town_halls
from bridge.sandbox.pdf import one_page
from bridge.sandbox.records import HeldInvoice
from bridge.sandbox.server import Sandbox

REAL = Path(__file__).parents[2] / "shared" / "data" / "facturae"
XMLDSIG = "{http://www.w3.org/2000/09/xmldsig#}"
SIGNATURE = f"{XMLDSIG}Signature"
VERSION = "FileHeader/SchemaVersion"


def generated(count: int, *, seed: int = 1, size: int = 0) -> list[HeldInvoice]:
    book = Book(Generator(seed=seed, size=size))
    return [book.held(hub_id) for hub_id in book.add_invoices(count)]


def everything(held: HeldInvoice) -> tuple[object, ...]:
    assert held.receipt is not None
    return held.invoice, held.history, held.attachments, held.facturae(), held.receipt()


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert list(map(everything, generated(20))) == list(map(everything, generated(20)))


def test_a_longer_list_begins_like_a_shorter_one() -> None:
    assert list(map(everything, generated(30)))[:7] == list(map(everything, generated(7)))


def test_another_seed_gives_other_invoices() -> None:
    assert everything(generated(1)[0]) != everything(generated(1, seed=2)[0])


def test_files_made_on_request_are_those_made_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    beforehand = list(map(everything, generated(5)))
    monkeypatch.setattr("bridge.sandbox.invoices.EAGER", 0)
    assert list(map(everything, generated(5))) == beforehand


def test_hub_ids_are_digits_that_only_grow() -> None:
    ids = [held.hub_id for held in generated(200)]
    assert all(re.fullmatch(r"\d{7}", hub_id) for hub_id in ids)
    assert ids == sorted(set(ids))


def test_the_file_says_what_the_hub_says() -> None:
    for held in generated(40):
        facts, invoice = read_facts(held.facturae()), held.invoice
        assert (facts.number, facts.issue_date) == (invoice.number, invoice.issue_date)
        assert (facts.seller_nif, facts.buyer_nif) == (invoice.supplier_nif, invoice.receiver_nif)
        assert facts.total == invoice.amount
        assert [centre.code for centre in facts.centres] == [
            invoice.accounting_office,
            invoice.managing_body,
            invoice.processing_unit,
        ]


def test_all_three_versions_are_there_signed_and_unsigned() -> None:
    roots = [etree.fromstring(held.facturae()) for held in generated(40)]
    assert {root.findtext(VERSION) for root in roots} == {"3.2", "3.2.1", "3.2.2"}
    assert {root.find(SIGNATURE) is None for root in roots} == {True, False}


def test_three_invoices_already_show_the_three_versions() -> None:
    versions = {etree.fromstring(held.facturae()).findtext(VERSION) for held in generated(3)}
    assert versions == {"3.2", "3.2.1", "3.2.2"}


def test_the_sums_of_a_file_add_up() -> None:
    for held in generated(40):
        root = etree.fromstring(held.facturae())
        totals = {each.tag: Decimal(each.text or "") for each in root.find(".//InvoiceTotals")}
        lines = [Decimal(each.text or "") for each in root.iterfind(".//InvoiceLine/GrossAmount")]
        assert sum(lines) == totals["TotalGrossAmount"]
        assert totals["InvoiceTotal"] == totals["TotalGrossAmount"] + totals["TotalTaxOutputs"]


def test_credit_notes_are_negative_and_name_what_they_correct() -> None:
    roots = [etree.fromstring(held.facturae()) for held in generated(40)]
    corrections = [root for root in roots if root.findtext(".//InvoiceClass") == "OR"]
    assert corrections
    for root in corrections:
        assert root.findtext(".//Corrective/InvoiceNumber")
        assert Decimal(root.findtext(".//InvoiceTotal") or "") < 0


def test_numbers_and_series_are_as_awkward_as_real_ones() -> None:
    facts = [read_facts(held.facturae()) for held in generated(100)]
    text = " ".join(f"{fact.series or ''}{fact.number}" for fact in facts)
    assert {"/", " ", "É", "ú", "&"} <= set(text)


def test_a_file_can_be_filled_up_to_a_size() -> None:
    for held in generated(5, size=20_000):
        assert 20_000 <= len(held.facturae()) < 21_000
        read_facts(held.facturae())


def test_a_signature_has_the_parts_of_xades() -> None:
    roots = (etree.fromstring(held.facturae()) for held in generated(40))
    signature = next(found for root in roots if (found := root.find(SIGNATURE)) is not None)
    for part in ("SignedInfo", "SignatureValue", "KeyInfo", "Object"):
        assert signature.find(f"{XMLDSIG}{part}") is not None


def test_attachments_are_of_the_types_in_use_and_some_names_are_hostile() -> None:
    attachments = [each for held in generated(200) for each in held.attachments]
    assert {each.content_type for each in attachments} == set(CONTENT_TYPES.values())
    names = {each.attachment.name for each in attachments}
    assert any("../" in name for name in names)
    assert any("\x00" in name for name in names)
    assert len(HOSTILE_NAMES) > 10


def test_zipped_attachments_open() -> None:
    zipped = ("officedocument", "opendocument")
    for held in generated(60):
        for each in held.attachments:
            if any(word in each.content_type for word in zipped):
                assert zipfile.ZipFile(io.BytesIO(each.content)).testzip() is None


def test_a_receipt_is_a_pdf_whose_cross_references_are_right() -> None:
    held = generated(1)[0]
    assert held.receipt is not None
    content = held.receipt()
    assert content.startswith(b"%PDF-1.4\n")
    assert content.endswith(b"%%EOF\n")
    assert held.invoice.registration_number is not None
    assert held.invoice.registration_number.encode() in content
    start = int(re.findall(rb"startxref\n(\d+)\n", content)[0])
    assert content[start:].startswith(b"xref\n0 6\n")
    offsets = re.findall(rb"(\d{10}) 00000 n ", content[start:])
    assert len(offsets) == 5
    for number, offset in enumerate(map(int, offsets), start=1):
        assert content[offset:].startswith(b"%d 0 obj\n" % number)


def test_a_pdf_keeps_parentheses_and_marks_what_its_font_lacks() -> None:
    content = one_page("a (b) \\ c", ["日"])
    assert rb"(a \(b\) \\ c) Tj" in content
    assert b"(?) Tj" in content


@pytest.mark.parametrize(("kind", "number", "expected"), [("A", 5881850, "A58818501")])
def test_a_cif_ends_in_its_control_character(kind: str, number: int, expected: str) -> None:
    assert cif(kind, number) == expected


def test_a_town_halls_cif_ends_in_a_letter() -> None:
    assert cif("P", 801900) == "P0801900B"


def test_a_nif_ends_in_its_letter() -> None:
    assert nif(12345678) == "12345678Z"


def test_parties_differ_from_each_other() -> None:
    assert len({hall.nif for hall in town_halls(1)}) == len(town_halls(1))
    assert len({each.nif for each in suppliers(1)}) == len(suppliers(1))


def test_the_secret_belongs_to_the_seed() -> None:
    assert Sandbox(seed=4, invoices=0).secret == Sandbox(seed=4, invoices=0).secret
    assert Sandbox(seed=4, invoices=0).secret != Sandbox(seed=5, invoices=0).secret
    assert Sandbox(invoices=0, secret="mine").secret == "mine"


def test_the_secret_does_not_show_in_the_repr() -> None:
    sandbox = Sandbox(invoices=0)
    assert sandbox.secret not in repr(sandbox)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, held in enumerate(generated(3, seed=9)):
        (tmp_path / f"{number}.XML").write_bytes(held.facturae())
    return tmp_path


def test_a_folder_of_facturae_files_takes_the_place_of_generated_ones(folder: Path) -> None:
    book = Sandbox(facturae=folder).book
    files = [path.read_bytes() for path in sorted(folder.iterdir())]
    assert [book.held(hub_id).facturae() for hub_id in book.hub_ids] == files
    for hub_id, content in zip(book.hub_ids, files, strict=True):
        facts, invoice = read_facts(content), book.invoice(hub_id)
        assert (invoice.number, invoice.issue_date) == (facts.number, facts.issue_date)
        assert (invoice.amount, invoice.supplier_nif) == (facts.total, facts.seller_nif)
    assert {entity.nif for entity in book.entities} == {
        book.invoice(hub_id).receiver_nif for hub_id in book.hub_ids
    }


def test_other_files_of_the_folder_are_passed_over(folder: Path) -> None:
    (folder / "broken.xml").write_bytes(b"<Facturae>")
    (folder / "README.txt").write_text("hello")
    assert len(Sandbox(facturae=folder).book.hub_ids) == 3


def test_a_folder_without_invoices_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no Facturae file"):
        Sandbox(facturae=tmp_path)
    with pytest.raises(SettingsError, match="cannot be read"):
        Sandbox(facturae=tmp_path / "nowhere")


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not on this machine")
def test_real_signed_files_become_the_hubs_invoices() -> None:
    book = Sandbox(facturae=REAL).book
    assert len(book.hub_ids) == len(list(REAL.glob("*.xml")))
    for hub_id in book.hub_ids:
        invoice = book.invoice(hub_id)
        assert invoice.number
        assert invoice.supplier_nif
        assert invoice.amount is not None
