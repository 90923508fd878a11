"""How names cross the FTP door: as UTF-8, or in the encoding of old Windows programs.

Bytes that are no UTF-8 survive as surrogates, both ways. A client that says `OPTS UTF8 OFF` reads
and writes Windows-1252, which has Latin-1 and the € in it; a name that does not fit into it is
shown with `?`.
"""

import codecs

UTF_8 = "utf-8"
OLD = "cp1252"
ERRORS = "efact-names"
"""The error handler, for both encodings."""


def _handle(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        return codecs.lookup_error("surrogateescape")(error)
    letter = ord(error.object[error.start])
    is_byte = 0xDC80 <= letter <= 0xDCFF  # noqa: PLR2004  (how Python keeps one that is no text)
    raw = bytes([letter - 0xDC00]) if is_byte else b"?"
    return raw, error.start + 1


codecs.register_error(ERRORS, _handle)
