"""Hostile XML, parsed: no entities, no DTD, no network, a limit on bytes and on markup.

The only place of the core that calls lxml's parser. Whoever reads XML gets a tree or an `XmlError`
whose text says line and column. Two questions are answered apart:

- `parse`: is this one complete XML document, encoded as it says? (invoices)
- `parse_tolerantly`: what did a sloppy writer mean? (state files: wrong or missing declarations)

Both turn the bytes into UTF-8 themselves and make the parser believe it: a DOCTYPE is looked for in
the very text that is parsed, so no exotic encoding can hide one, and none is ever processed.
Nesting ends at 2,048 elements (libxml2's own limit); nothing here recurses.
"""

import codecs
import re
from collections.abc import Iterator

from lxml import etree

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\x00", "utf-16-le"),  # no mark, but no XML text in 8 bits starts like this
    (b"\x00<", "utf-16-be"),
)
_DECLARED = re.compile(rb"""\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_ONE_BYTE = re.compile(r"ascii|iso8859-\d+|cp125\d|cp437|cp85\d|mac-roman")
_DOCTYPE = re.compile(rb"(?>\s+|<!--.*?-->|<\?.*?\?>)*+<!DOCTYPE", re.DOTALL | re.IGNORECASE)
_PADDING = b" \t\r\n\x00"

MAX_MARKUP = 1_000_000
"""How many `<` and `=` a document may have: each may be an element or an attribute, which takes up
to 250 bytes of memory where the file has four. State files of the largest size stay under it, and
so do invoices with some ten thousand lines; text (an attachment in base64) hardly counts.
"""


class XmlError(ValueError):
    """A text that is not the XML that was wanted; `too_large` when it was not even parsed."""

    def __init__(self, reason: str, *, too_large: bool = False) -> None:
        super().__init__(reason)
        self.too_large = too_large


def parse(content: bytes, *, max_bytes: int) -> etree._Element:
    """Return the root of one complete XML document in the encoding that it declares.

    Raises XmlError when it is not well-formed, has a DOCTYPE, or is too large.
    """
    _refuse_large(content, max_bytes)
    encoding = _marked(content) or _declared(content) or "utf-8"
    try:
        return _parsed(content.decode(encoding).removeprefix("\ufeff").encode())
    except UnicodeError as error:
        raise XmlError(f"it is not text in the encoding {encoding}: {error}") from error


def parse_tolerantly(content: bytes, *, max_bytes: int) -> etree._Element:
    """Return the root of a document whose declaration may be missing or wrong.

    A byte order mark wins over what is declared, and so does valid UTF-8: by accident no other
    text is that. What is left is read in the one-byte encoding that it declares, else as
    Windows-1252, which is also what ISO-8859-1 is taken for. White space before the document and
    white space or NUL bytes after it are dropped. Raises XmlError as `parse` does.
    """
    _refuse_large(content, max_bytes)
    text = _read_tolerantly(content).removeprefix("\ufeff")
    return _parsed(text.encode("utf-8", "replace").strip(_PADDING))


def local_name(element: etree._Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def children(element: etree._Element | None, name: str) -> Iterator[etree._Element]:
    """Yield an element's children of this local name, whatever their namespace; of None, none."""
    if element is not None:
        yield from element.iterchildren(f"{{*}}{name}")


def find(element: etree._Element | None, *names: str) -> etree._Element | None:
    """Return the first element at the end of this way of local names, or None."""
    for name in names:
        if element is None:
            return None
        element = next(element.iterchildren(f"{{*}}{name}"), None)
    return element


def text_of(element: etree._Element | None, *names: str) -> str | None:
    """Return the trimmed text of the element at the end of the way; None if missing or empty."""
    found = find(element, *names)
    return None if found is None else "".join(map(str, found.itertext())).strip() or None


def _refuse_large(content: bytes, max_bytes: int) -> None:
    if len(content) > max_bytes:
        raise XmlError(
            f"{len(content):,} bytes are more than the {max_bytes:,} allowed", too_large=True
        )


def _marked(content: bytes) -> str | None:
    return next((encoding for mark, encoding in _BOMS if content.startswith(mark)), None)


def _declared(content: bytes) -> str | None:
    """Return the declared encoding by Python's name; raises XmlError for one that is unknown."""
    match = _DECLARED.match(content[:1000])
    if match is None:
        return None
    name = match[1].decode()
    try:
        known = codecs.lookup(name).name
    except LookupError as error:
        raise XmlError(f"its encoding {name} is not known") from error
    if known != "utf-8" and not _ONE_BYTE.fullmatch(known):
        raise XmlError(f"it is not text in the encoding {name} that it declares")
    return known


def _read_tolerantly(content: bytes) -> str:
    marked = _marked(content)
    if marked and marked != "utf-8":
        return content.decode(marked, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.removeprefix(codecs.BOM_UTF8).decode(_one_byte_encoding(content), "replace")


def _one_byte_encoding(content: bytes) -> str:
    try:
        declared = _declared(content)
    except XmlError:
        declared = None
    return "cp1252" if declared in {None, "utf-8", "ascii", "iso8859-1"} else str(declared)


def _parsed(content: bytes) -> etree._Element:
    """Return the root of a document in UTF-8, whatever encoding it declares."""
    markup = content.count(b"<") + content.count(b"=")
    if markup > MAX_MARKUP:
        raise XmlError(
            f"{markup:,} elements and attributes are more than the {MAX_MARKUP:,} allowed",
            too_large=True,
        )
    if _DOCTYPE.match(content):
        raise XmlError("it has a DOCTYPE, which is never accepted")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=True,  # attachments in base64 exceed the 10 MB that libxml2 allows a text
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise XmlError(" ".join(str(error.msg).split())) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise XmlError("it has a DOCTYPE, which is never accepted")
    return root
