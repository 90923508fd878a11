"""What two Facturae files say differently, as named facts with both values.

Two files are *equivalent* when their canonical XML is the same: encoding, declaration, order and
quotes of attributes, comments, the prefixes that stand for namespaces, and white space around
texts and elements do not count (Canonical XML 1.0 drops most of these; what re-indenting or another
XML library changes is dropped here as well). Anything else is a difference, and each is named: the
facts that somebody checks first by plain words (`FACTS`), lines by their number, and what is left
by its place in the file.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice, zip_longest

from lxml import etree

from bridge.facturae import MAX_BYTES, FacturaeError
from bridge.recorded import Difference
from bridge.xml import XmlError, find, local_name, parse, text_of

MOST_DIFFERENCES = 50
"""Of one file; more tell nobody more."""

LONGEST_VALUE = 300
"""Characters of a value that are shown."""

MOST_XML_LINES = 200
"""Lines of the XML difference that are kept."""

LARGEST_XML_DIFFERENCE = 5_000
"""Lines of a file up to which its XML is compared line by line."""

_INVOICE = "Invoices/Invoice"
_NIF = "TaxIdentification/TaxIdentificationNumber"

FACTS: Mapping[str, str] = {
    f"{_INVOICE}/InvoiceHeader/InvoiceNumber": "number",
    f"{_INVOICE}/InvoiceHeader/InvoiceSeriesCode": "series",
    f"{_INVOICE}/InvoiceIssueData/IssueDate": "date",
    f"{_INVOICE}/InvoiceTotals/InvoiceTotal": "total",
    f"{_INVOICE}/InvoiceIssueData/InvoiceCurrencyCode": "currency",
    f"Parties/SellerParty/{_NIF}": "seller_nif",
    f"Parties/BuyerParty/{_NIF}": "buyer_nif",
    "FileHeader/SchemaVersion": "version",
}
"""Elements that have a plain name, by their place in the file."""

ROLES: Mapping[str, str] = {
    "01": "accounting_office",
    "02": "managing_body",
    "03": "processing_unit",
}
"""DIR3 codes by the role of their unit (Facturae, `RoleTypeCode`)."""

_FIRST = (*FACTS.values(), *ROLES.values(), "signature", "lines")
_RANK = {name: rank for rank, name in enumerate(_FIRST)}
_SIGNATURE = "Signature"
_LINE = re.compile(r"line \d+")
_LONGEST_ROLE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """How two invoice files compare."""

    equivalent: bool
    differences: tuple[Difference, ...] = ()
    xml: tuple[str, ...] = ()
    """A unified diff of both, canonical and indented; empty where it was not asked for."""


def compare_files(legacy: bytes, rest: bytes, *, with_xml: bool = True) -> Compared:
    """Compare two invoice files whose bytes differ; raises FacturaeError if one is no XML."""
    one, other = _root(legacy), _root(rest)
    if _same(one, other):
        return Compared(equivalent=True)
    found = _differences(one, other) or [
        Difference(field="xml", legacy=str(one.tag), rest=str(other.tag))
    ]
    return Compared(
        equivalent=False,
        differences=tuple(found[:MOST_DIFFERENCES]),
        xml=tuple(_xml_difference(one, other)) if with_xml else (),
    )


def _root(content: bytes) -> etree._Element:
    try:
        return parse(content, max_bytes=MAX_BYTES)
    except XmlError as error:
        raise FacturaeError(f"the file is not one complete XML document: {error}") from error


# -- the same canonical XML ----------------------------------------------------------------------


def _same(one: etree._Element, other: etree._Element) -> bool:
    pairs = zip_longest(one.iter(), other.iter())
    return all(a is not None and b is not None and _node(a) == _node(b) for a, b in pairs)


def _node(element: etree._Element) -> tuple[object, ...]:
    """Return all that counts of an element but its children; how many it has tells where it is."""
    return (
        element.tag,
        len(element),
        (element.text or "").strip(),
        (element.tail or "").strip(),
        sorted(_attributes_of(element)),
    )


# -- what differs --------------------------------------------------------------------------------


def _differences(one: etree._Element, other: etree._Element) -> list[Difference]:
    legacy, rest = dict(_told(one)), dict(_told(other))
    names = [name for name in {**legacy, **rest} if legacy.get(name) != rest.get(name)]
    if "signature" in names:
        names = [name for name in names if not name.startswith("signature_value")]
    names.sort(key=lambda name: _RANK.get(name, len(_RANK)))
    return [
        Difference(field=name, legacy=_short(legacy.get(name)), rest=_short(rest.get(name)))
        for name in names
    ]


def _short(value: str | None) -> str | None:
    if value is None or len(value) <= LONGEST_VALUE:
        return value
    return f"{value[: LONGEST_VALUE - 1]}…"


def _told(root: etree._Element) -> Iterator[tuple[str, str]]:
    """Yield what a file says, by name; each name once."""
    seen: dict[str, int] = {}
    for name, text in _texts(root):
        times = seen[name] = seen.get(name, 0) + 1
        yield (name if times == 1 else f"{name} ({times})"), text
    lines = sum(1 for _ in root.iter("{*}InvoiceLine"))
    yield "lines", str(lines)


def _texts(root: etree._Element) -> Iterator[tuple[str, str]]:
    """Yield the texts and attributes of a file by their place in it; a signature is one text."""
    signatures = [child for child in root if local_name(child) == _SIGNATURE]
    yield "signature", "present" if signatures else "absent"
    yield from (("signature_value", _digest(each)) for each in signatures)
    waiting = [("", child) for child in reversed(root) if child not in signatures]
    yield from _attributes("root", root)
    lines = 0
    while waiting:
        above, element = waiting.pop()
        name, children = local_name(element), list(element)
        if name == "InvoiceLine":
            lines += 1
        place = _place(above, element, name, line=lines)
        text = "".join(filter(None, [element.text, *(child.tail for child in children)])).strip()
        if text or not children:
            yield FACTS.get(place, place), text
        if element.keys():
            yield from _attributes(place, element)
        waiting += [(place, child) for child in reversed(children)]


def _attributes(place: str, element: etree._Element) -> Iterator[tuple[str, str]]:
    for name, value in sorted(_attributes_of(element)):
        yield f"{place}/@{name.rpartition('}')[2]}", value


def _attributes_of(element: etree._Element) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in element.items()]


def _place(above: str, element: etree._Element, name: str, *, line: int) -> str:
    if name == "InvoiceLine":
        return f"line {line}"
    if name == "AdministrativeCentre":
        return f"centre {(text_of(element, 'RoleTypeCode') or '?')[:_LONGEST_ROLE]}"
    if name == "CentreCode" and above.startswith("centre "):
        role = above.removeprefix("centre ")
        return ROLES.get(role, f"dir3 {role}")
    separator = " " if _LINE.fullmatch(above) else "/"
    return f"{above}{separator}{name}" if above else name


def _digest(signature: etree._Element) -> str:
    """Return a digest of a signature, shown in short; white space in it does not count."""
    value = find(signature, "SignatureValue")
    parts = [value] if value is not None else [signature]
    text = "".join("".join(map(str, part.itertext())) for part in parts)
    whole = "".join("".join(map(str, signature.itertext())).split())
    return f"{''.join(text.split())[:16]}… (sha256 {hashlib.sha256(whole.encode()).hexdigest()})"


# -- as XML --------------------------------------------------------------------------------------


def _xml_difference(one: etree._Element, other: etree._Element) -> Iterator[str]:
    legacy, rest = (list(islice(_lines(it), LARGEST_XML_DIFFERENCE + 1)) for it in (one, other))
    if max(len(legacy), len(rest)) > LARGEST_XML_DIFFERENCE:
        return
    found = unified_diff(legacy, rest, "legacy", "rest", n=2, lineterm="")
    for number, line in enumerate(found):
        if number >= MOST_XML_LINES:
            yield "…"
            return
        yield _short(line) or ""


def _lines(root: etree._Element) -> Iterator[str]:
    """Yield an indented form of a file, without prefixes: the same for equivalent files."""
    waiting: list[tuple[int, etree._Element | str]] = [(0, root)]
    while waiting:
        depth, item = waiting.pop()
        margin = "  " * min(depth, 20)
        if isinstance(item, str):
            yield margin + item
            continue
        name, text = local_name(item), " ".join((item.text or "").split())
        opening = f"<{name}{''.join(_written(item))}>"
        if len(item):
            yield margin + opening + text
            waiting.append((depth, f"</{name}>"))
            waiting += [(depth + 1, child) for child in reversed(item)]
        else:
            yield f"{margin}{opening}{text}</{name}>"


def _written(element: etree._Element) -> Iterator[str]:
    for name, value in sorted(_attributes_of(element)):
        yield f' {name.rpartition("}")[2]}="{value}"'
