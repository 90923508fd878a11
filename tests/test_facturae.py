"""Facturae: what a file says of itself, and whether it is whole."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import InvoiceError
from bridge.facturae import MAX_BYTES, FacturaeError, ensure_well_formed, read_facts
from bridge.model import Centre, InvoiceFacts
from tests.facturae_samples import NAMESPACES, PERSON, facturae, invoice

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "facturae"
WHOLE = facturae(signed=True).encode()


@pytest.mark.parametrize("version", NAMESPACES)
def test_the_facts_of_every_version_are_read(version: str) -> None:
    assert read_facts(facturae(version).encode()) == InvoiceFacts(
        number="7",
        series="F24",
        issue_date=date(2024, 3, 1),
        total=Decimal("1210.00"),
        seller_nif="B17000001",
        buyer_nif="P0801900B",
        seller_name="Fusteria Puigcerdà, SL",
        buyer_name="Ajuntament",
        centres=(
            Centre(code="L01080193", role="01"),
            Centre(code="L01080194", role="02"),
            Centre(code="L01080195", role="03"),
            Centre(code="X1", role="04"),
        ),
    )


@pytest.mark.parametrize("prefix", ["", "fe", "namespace"])
def test_any_prefix_will_do(prefix: str) -> None:
    assert read_facts(facturae(prefix=prefix).encode()) == read_facts(facturae().encode())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_the_declared_encoding_is_believed(encoding: str) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?>{facturae()}'.encode(encoding)
    assert read_facts(content).seller_name == "Fusteria Puigcerdà, SL"


def test_a_person_has_a_name_and_surnames() -> None:
    assert read_facts(facturae(seller=PERSON).encode()).seller_name == "Mercè Vall Llobet"


def test_a_batch_gives_the_facts_of_its_first_invoice() -> None:
    invoices = invoice("1", total="10") + invoice("2") + invoice("3")
    facts = read_facts(facturae(invoices=invoices).encode())
    assert (facts.number, facts.total) == ("1", Decimal("10"))


def test_a_credit_note_has_a_negative_total() -> None:
    facts = read_facts(facturae(invoices=invoice(total="-12.50")).encode())
    assert facts.total == Decimal("-12.50")


@pytest.mark.parametrize("total", ["", "NaN", "1e9", "1_0", "1.210,00", "Infinity"])
def test_an_amount_that_is_none_is_none(total: str) -> None:
    assert read_facts(facturae(invoices=invoice(total=total)).encode()).total is None


def test_every_fact_may_be_missing() -> None:
    assert read_facts(b"<Facturae/>") == InvoiceFacts(
        number=None,
        series=None,
        issue_date=None,
        total=None,
        seller_nif=None,
        buyer_nif=None,
    )


def test_another_root_is_no_facturae() -> None:
    with pytest.raises(FacturaeError, match="no Facturae: it starts with <html>"):
        read_facts(b"<html/>")


def test_a_whole_document_may_be_placed() -> None:
    ensure_well_formed(WHOLE)


def test_a_document_that_is_no_facturae_is_whole_all_the_same() -> None:
    ensure_well_formed(b"<html/>")


@given(st.integers(min_value=0, max_value=len(WHOLE) - 1))
def test_a_document_cut_off_anywhere_is_not_whole(length: int) -> None:
    with pytest.raises(FacturaeError, match="not one complete XML document"):
        ensure_well_formed(WHOLE[:length])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(WHOLE * 2, id="twice"),
        pytest.param(WHOLE + b"\x00" * 512, id="padded with NUL bytes"),
        pytest.param(b"<!DOCTYPE Facturae>" + WHOLE, id="doctype"),
        pytest.param(
            ('<?xml version="1.0" encoding="UTF-8"?>' + facturae()).encode("cp1252"),
            id="another encoding than declared",
        ),
        pytest.param(b'{"codiError": 9999}', id="an error of the hub"),
    ],
)
def test_what_is_not_one_document_is_not_whole(content: bytes) -> None:
    with pytest.raises(FacturaeError):
        ensure_well_formed(content)


def test_a_file_that_is_no_invoice_stops_that_invoice_only() -> None:
    assert issubclass(FacturaeError, InvoiceError)


def test_an_attachment_of_many_megabytes_inside_is_no_obstacle() -> None:
    data = f"<AttachmentData>{'QUJD' * 4_000_000}</AttachmentData></Invoice>"
    content = facturae(invoices=invoice().replace("</Invoice>", data)).encode()
    ensure_well_formed(content)
    assert read_facts(content).number == "7"


def test_more_than_the_limit_is_not_looked_at() -> None:
    with pytest.raises(FacturaeError, match="more than the 67,108,864 allowed"):
        ensure_well_formed(bytes(MAX_BYTES + 1))


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published files are not here")
def test_every_published_file_gives_its_facts() -> None:
    files = sorted(PUBLISHED.glob("*.xml"))
    assert files
    for file in files:
        ensure_well_formed(file.read_bytes())
        facts = read_facts(file.read_bytes())
        assert all((facts.number, facts.issue_date, facts.total))
        assert all((facts.seller_nif, facts.buyer_nif, facts.seller_name, facts.buyer_name))
