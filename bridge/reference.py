"""The reference in a file name: how an issuer's number and series stand in it.

What the old hub wrote there is known of one client only: the invoice number (legacy-ftp, "File
names"). Other mailboxes may have had the series before it; a naming profile says which.
"""

FORMS = (
    "{number}",
    "{series}{number}",
    "{series}-{number}",
    "{series}/{number}",
    "{series}_{number}",
    "{series} {number}",
)
"""What a naming profile may ask for; the likeliest first."""

AS_THE_HUB = ""
"""No form of its own: the number as the hub gives it, whatever it puts into it."""


def written(form: str, *, number: str, series: str | None) -> str:
    """Return the reference of an invoice; one without a series has its number alone."""
    return form.format(number=number, series=series) if series else number
