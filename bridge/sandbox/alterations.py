"""Copies of an invoice file that differ from it: in form only, or in what they say.

The old mailbox of a sandbox gives such copies where a mix asks for them, so that a comparison of
the two feeds has something to find.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from bridge.facturae import MAX_BYTES
from bridge.xml import local_name, parse

Change = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Alteration:
    """One way to change a file; `field` is what a comparison should name, None for form only."""

    field: str | None
    change: Change


def reserialised(content: bytes) -> bytes:
    """Write the file as another XML library does: other quotes, prefixes and empty elements."""
    text = _written(_root(content), "UTF-8")
    prefix = re.search(rb"<(\w+):", text)
    return re.sub(rb"(</?|xmlns:)%s\b(?=[:=])" % prefix[1], rb"\1ns0", text) if prefix else text


def reencoded(content: bytes) -> bytes:
    """Write the file in ISO-8859-1, with references for what that cannot hold."""
    return _written(_root(content), "ISO-8859-1")


def widened(content: bytes) -> bytes:
    """Write the file in UTF-16."""
    return _written(_root(content), "UTF-16")


def reindented(content: bytes) -> bytes:
    """Write each element on a line of its own."""
    root = _root(content)
    for element in root.iter():
        if len(element) and not (element.text or "").strip():
            element.text = None
        if not (element.tail or "").strip():
            element.tail = None
    etree.indent(root, space="\t")
    return _written(root, "UTF-8")


def cut_off(content: bytes) -> bytes:
    """Return the first half of the file."""
    return content[: len(content) // 2]


def _total(content: bytes) -> bytes:
    return _with_text(content, "InvoiceTotal", lambda text: f"{text}1")


def _tax_id(content: bytes) -> bytes:
    number = "TaxIdentificationNumber"
    return _with_text(content, number, lambda text: f"{text[:-1]}0X", within="SellerParty")


def _office(content: bytes) -> bytes:
    return _with_text(content, "CentreCode", lambda text: f"{text}9", within="BuyerParty")


def _day(content: bytes) -> bytes:
    return _with_text(content, "IssueDate", lambda text: f"1999{text[4:]}")


def _line(content: bytes) -> bytes:
    return _with_text(content, "Quantity", lambda text: f"{text}7")


def _unsigned(content: bytes) -> bytes:
    root = _root(content)
    for child in list(root):
        if local_name(child) == "Signature":
            root.remove(child)
    return _written(root, "UTF-8")


def _with_text(
    content: bytes, name: str, change: Callable[[str], str], *, within: str = "Facturae"
) -> bytes:
    """Change the text of the first element of this name; StopIteration: there is none."""
    root = _root(content)
    element = next(_named(next(_named(root, within)), name))
    element.text = change(element.text or "")
    return _written(root, "UTF-8")


def _named(element: etree._Element, name: str) -> Iterator[etree._Element]:
    return (each for each in element.iter() if local_name(each) == name)


def _written(root: etree._Element, encoding: str) -> bytes:
    written = etree.tostring(root, encoding=encoding, xml_declaration=True)
    assert isinstance(written, bytes)
    return written


def _root(content: bytes) -> etree._Element:
    return parse(content, max_bytes=MAX_BYTES)


FORMS: Mapping[str, Alteration] = {
    "re-serialised": Alteration(None, reserialised),
    "re-encoded": Alteration(None, reencoded),
    "UTF-16": Alteration(None, widened),
    "re-indented": Alteration(None, reindented),
}
"""Copies that say the same."""

CONTENTS: Mapping[str, Alteration] = {
    "amount": Alteration("total", _total),
    "tax id": Alteration("seller_nif", _tax_id),
    "DIR3 code": Alteration("accounting_office", _office),
    "date": Alteration("date", _day),
    "line": Alteration("line 1 Quantity", _line),
    "signature": Alteration("signature", _unsigned),
}
"""Copies that say something else; whoever takes one looks that the file has what it changes."""


def applies(alteration: Alteration, content: bytes) -> bool:
    """Tell whether a file has what an alteration changes."""
    try:
        return alteration.change(content) != content and (
            alteration.field != "signature" or b"Signature" in content
        )
    except StopIteration:
        return False
