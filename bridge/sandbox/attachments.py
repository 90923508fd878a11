"""Attachments of generated invoices: the types in use, under the names that issuers type.

Each file is what its extension says as far as a program that looks at it can tell: PDF and the
zipped formats open; `doc` and `xls` bear the right first bytes and nothing of use behind them.
"""

import io
import zipfile
from collections.abc import Callable, Mapping
from random import Random

from bridge.model import Attachment
from bridge.sandbox.pdf import one_page
from bridge.sandbox.records import HeldAttachment

CONTENT_TYPES: Mapping[str, str] = {
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "txt": "text/plain",
}

_HOSTILE = 0.25

_NAMES = ("albarà", "detall d'hores", "annex", "certificació núm. 3", "relació valorada")

HOSTILE_NAMES = (
    "../../../etc/passwd.{}",
    "..\\..\\Windows\\system.{}",
    "/absolut/fitxer.{}",
    "CON.{}",
    "factura 2026/03.{}",
    "salt\nde línia.{}",
    "nul\x00dins.{}",
    "fdp.\u202e{}",
    ".amagat.{}",
    "=cmd|' /C calc'!A0.{}",
    "<script>alert(1)</script>.{}",
    "espais al final.{}   ",
    "moltíssim " * 30 + ".{}",
    "sense-extensió",
    " ",
)


def attachment(random: Random, attachment_id: str) -> HeldAttachment:
    """Return a generated attachment; one name in four is hostile."""
    extension = random.choice(tuple(CONTENT_TYPES))
    hostile = random.random() < _HOSTILE
    name = random.choice(HOSTILE_NAMES) if hostile else f"{random.choice(_NAMES)}.{{}}"
    return HeldAttachment(
        attachment=Attachment(attachment_id=attachment_id, name=name.format(extension)),
        content=_CONTENTS[extension](f"Adjunt {attachment_id}", extension),
        content_type=CONTENT_TYPES[extension],
    )


def _pdf(text: str, _extension: str) -> bytes:
    return one_page(text, ("Generat pel sandbox d'efact-bridge.",))


def _txt(text: str, _extension: str) -> bytes:
    return f"{text}\r\nGenerat pel sandbox d'efact-bridge.\r\n".encode()


def _compound(text: str, _extension: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + text.encode().ljust(2040, b"\x00")


def _office(text: str, extension: str) -> bytes:
    part = "word/document.xml" if extension == "docx" else "xl/workbook.xml"
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    kind = CONTENT_TYPES[extension]
    return _zip(
        {
            "[Content_Types].xml": (
                '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
                '<Default Extension="rels"'
                ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
                f'<Override PartName="/{part}" ContentType="{kind}.main+xml"/></Types>'
            ),
            "_rels/.rels": (
                "<Relationships"
                ' xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                f'<Relationship Id="rId1" Type="{relation}" Target="{part}"/></Relationships>'
            ),
            part: _OFFICE_PARTS[extension].format(text),
        }
    )


_OFFICE_PARTS: Mapping[str, str] = {
    "docx": (
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        "<w:body><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:body></w:document>"
    ),
    "xlsx": (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        "<!-- {} --><sheets/></workbook>"
    ),
}


def _open_document(text: str, extension: str) -> bytes:
    kind = CONTENT_TYPES[extension]
    body = "text" if extension == "odt" else "spreadsheet"
    namespace = "urn:oasis:names:tc:opendocument:xmlns"
    return _zip(
        {
            "mimetype": kind,
            "content.xml": (
                f'<office:document-content xmlns:office="{namespace}:office:1.0"'
                f' xmlns:text="{namespace}:text:1.0" xmlns:table="{namespace}:table:1.0">'
                f"<office:body><office:{body}>{_OPEN_PARTS[extension].format(text)}"
                f"</office:{body}></office:body></office:document-content>"
            ),
            "META-INF/manifest.xml": (
                f'<manifest:manifest xmlns:manifest="{namespace}:manifest:1.0">'
                f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
                '<manifest:file-entry manifest:full-path="content.xml"'
                ' manifest:media-type="text/xml"/></manifest:manifest>'
            ),
        }
    )


_OPEN_PARTS: Mapping[str, str] = {
    "odt": "<text:p>{}</text:p>",
    "ods": (
        '<table:table table:name="{0}"><table:table-row><table:table-cell><text:p>{0}</text:p>'
        "</table:table-cell></table:table-row></table:table>"
    ),
}


def _zip(files: Mapping[str, str]) -> bytes:
    """Return a zip file whose entries all have the same old date, so that bytes never vary."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return target.getvalue()


_CONTENTS: Mapping[str, Callable[[str, str], bytes]] = {
    "pdf": _pdf,
    "txt": _txt,
    "doc": _compound,
    "xls": _compound,
    "docx": _office,
    "xlsx": _office,
    "odt": _open_document,
    "ods": _open_document,
}
