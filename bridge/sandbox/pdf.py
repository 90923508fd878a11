"""A PDF of one page, by hand: enough for a viewer, and the same bytes for the same text."""

from collections.abc import Sequence

_PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
    b" /Resources << /Font << /F1 5 0 R >> >> >>"
)
"""A4, in points."""


def one_page(title: str, lines: Sequence[str]) -> bytes:
    """Return a PDF with a title and lines of text below it.

    Characters that Windows-1252 lacks become question marks: the built-in fonts have no others.
    """
    content = _text(title, lines)
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        _PAGE,
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    # The comment of four high bytes tells transfer programs that the file is binary.
    body = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, value in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, value)
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    body += b"startxref\n%d\n%%%%EOF\n" % start
    return bytes(body)


def _text(title: str, lines: Sequence[str]) -> bytes:
    rows = [b"BT", b"/F1 16 Tf", b"56 770 Td", _show(title), b"/F1 11 Tf", b"0 -32 Td", b"16 TL"]
    rows += [_show(line) + b" T*" for line in lines]
    return b"\n".join([*rows, b"ET"])


def _show(text: str) -> bytes:
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return b"(%b) Tj" % escaped.encode("cp1252", "replace")
