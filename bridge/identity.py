"""When two ways of writing a number or a tax id mean the same.

The RCF, the hub and the issuer each write them in their own way; what is left out here never tells
two invoices of one supplier and day apart.
"""

_NIF_LENGTH = len("A12345678")
_BETWEEN = ("", "-", "/", " ", "_")
"""What software puts between a series and a number."""


def plain_number(text: str) -> str:
    """Return an invoice number without the case of its letters and its extra spaces."""
    return " ".join(text.split()).casefold()


def number_forms(*numbers: str | None, file_number: str | None, series: str | None) -> set[str]:
    """Return the plain forms in which an invoice's number may stand elsewhere.

    `file_number` and `series` are those of the Facturae file; the series may stand before the
    number or not.
    """
    forms = {*numbers, file_number}
    if series and file_number:
        forms |= {f"{series}{mark}{file_number}" for mark in _BETWEEN}
    return {plain_number(form) for form in forms if form}


def plain_nif(nif: str | None) -> str:
    """Return a tax id in capitals, without marks and without the country; empty for none."""
    plain = "".join(character for character in (nif or "").upper() if character.isalnum())
    return plain.removeprefix("ES") if len(plain) > _NIF_LENGTH else plain
