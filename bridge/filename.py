"""What one part of a file name can hold, on Linux, on Windows and on a share between them.

Two ways for a text that is not trusted: an id is escaped, so that it comes back whole; anything
else is cleaned, so that a person can still read it. Both leave nothing that could leave a folder
or hide a file.
"""

import os
import re
import string
import unicodedata

EXTENSION_LENGTH = 8
DEFAULT_EXTENSION = "bin"

_ID_SAFE = frozenset(string.ascii_letters + string.digits + "-_")
_NEVER = frozenset("/\\")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_NO_TEXT = re.compile("[\udc80-\udcff\uf780-\uf7ff]")
_OF_BYTES = re.compile("[\uf780-\uf7ff]")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


def readable(name: str) -> str:
    """Return a name on disk as text; one that is not UTF-8 is read as Latin-1, as old clients do.

    `name` is as Python gives it, with what is no text hidden in surrogates.
    """
    return readable_bytes(os.fsencode(name))


def readable_bytes(raw: bytes) -> str:
    """Return the bytes of a name as text, read as Latin-1 where they are not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def storable(raw: bytes) -> str:
    """Return the bytes of a path as text that can be stored; `raw_of` gives them back.

    What is not UTF-8 becomes, byte by byte, U+F780 to U+F7FF: no real name has these (one that
    has comes back all the same).
    """

    def of_bytes(match: re.Match[str]) -> str:
        hidden = match[0].encode("utf-8", "surrogateescape")
        return "".join(chr(0xF700 + byte) for byte in hidden)

    return _NO_TEXT.sub(of_bytes, raw.decode("utf-8", "surrogateescape"))


def raw_of(text: str) -> bytes:
    """Return the bytes that `storable` was given; plain text becomes UTF-8."""
    hidden = _OF_BYTES.sub(lambda match: chr(0xDC00 + ord(match[0]) - 0xF700), text)
    return hidden.encode("utf-8", "surrogateescape")


def clean(text: str, *, unwanted: frozenset[str], replacement: str) -> str:
    """Return a text with what a name cannot hold replaced; never empty, never a device's name.

    What is unprintable, and both slashes, is never kept. Letters come in their composed form (NFC).
    """
    never = unwanted | _NEVER
    kept = unicodedata.normalize("NFC", text.strip())
    if not (kept.isprintable() and never.isdisjoint(kept)):
        kept = "".join(
            replacement if char in never or not char.isprintable() else char for char in kept
        )
    return kept + replacement if not kept or is_device(kept) else kept


def is_device(name: str) -> bool:
    """Tell whether Windows takes this name for a device (`CON`, `LPT1.txt`)."""
    return _DEVICE.fullmatch(name) is not None


def cut(text: str, size: int) -> str:
    """Return as much of the text as fits into so many bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore")


def escape_id(text: str, *, also: frozenset[str] = frozenset()) -> str:
    """Return an id without anything that a name cannot hold.

    Every character but A-Z, a-z, 0-9, `-` and `_`, and those in `also`, becomes `%XX`, once per
    byte of its UTF-8 form; `unescape_id` gives the id back.
    """
    safe = _ID_SAFE - also
    escaped = "".join(char if char in safe else _escape(char) for char in text)
    return _escape(text[0]) + escaped[1:] if is_device(escaped) else escaped


def unescape_id(text: str) -> str:
    """Return the id that `escape_id` was given; what is no escape of ours stays as it is."""
    return _ESCAPES.sub(_unescape, text)


def _escape(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _unescape(match: re.Match[str]) -> str:
    try:
        return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return match[0]


def extension_of(file_name: str) -> str:
    """Return a safe extension, without dot, for a hostile file name: `bin` where it has none.

    Lower-case letters and digits of ASCII only, at most 8 of them.
    """
    stem, dot, extension = file_name.strip().rpartition(".")
    return safe_extension(extension) if dot and stem else DEFAULT_EXTENSION


def safe_extension(text: str) -> str:
    """Return the last extension in a text as lower-case letters and digits, `bin` if none."""
    kept = re.sub(r"[^a-z0-9]", "", text.rpartition(".")[2].lower())
    return kept[:EXTENSION_LENGTH] or DEFAULT_EXTENSION
