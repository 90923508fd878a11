"""Why a row is what it is, in a language: what the edges said in English, as far as we know it.

A note is put together from parts: whose it is, the invoice, what is wrong, what happens next. Each
part that stands in `_FORMS` is said in the language; what a parser or a server said stays as it is.
"""

import re
from collections.abc import Mapping

from reconcile.language import Language, Message
from reconcile.rendering.inert import visible
from reconcile.rendering.words import FEEDS, NOTES

_SIDES = {f"{feed.value}: ": says for feed, says in FEEDS.items()}
_FORMS: Mapping[re.Pattern[str], Message] = {
    re.compile(pattern): says
    for pattern, says in (
        (
            r"(?P<what>.+); it is fetched again later",
            Message("{what}; it is fetched again later"),
        ),
        (
            r"the (?:invoice )?file is not one complete XML document: (?P<what>.+)",
            Message("the file is not one complete XML document: {what}"),
        ),
        (
            r"the file is no Facturae: it starts with (?P<what>.+)",
            Message("the file is no Facturae: it starts with {what}"),
        ),
        (
            r"the hub answered (?P<what>.+): check the id, and that this account is .* platform",
            Message(
                "the hub answered {what}: check the id, and that this account is the invoice's "
                "platform"
            ),
        ),
    )
}
_INVOICE = re.compile(r"invoice [^ :]+: ")
"""The row says already which invoice it is."""


def note(language: Language, text: str) -> str:
    """Return a row's note: a sentence of ours in the language, an error as it came."""
    for feed, says in _SIDES.items():
        if text.startswith(feed):
            return f"{language.say(says)}: {note(language, text.removeprefix(feed))}"
    text = _INVOICE.sub("", text, count=1) if _INVOICE.match(text) else text
    if text in NOTES:
        return language.say(NOTES[text])
    for form, says in _FORMS.items():
        found = form.fullmatch(text)
        if found:
            return language.say(says, what=note(language, found["what"]))
    return visible(text)
