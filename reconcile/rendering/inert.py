"""Texts from outside (numbers, names, what an error said), made harmless and visible.

A character that does not show (a line's end, a mark that turns the direction of reading, a space
that is none) is told by its number: a reader must see why two values differ, and none may play
tricks on a terminal or a page.
"""

_LONGEST = 300
"""Characters of a text from outside that are shown."""


def visible(text: str, *, longest: int = _LONGEST) -> str:
    """Return a text with all that does not show written as ‹U+200B›; cut when long."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(
        character if character.isprintable() else f"‹U+{ord(character):04X}›" for character in cut
    )
