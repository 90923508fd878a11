"""The sentences of the code, and the catalogues that carry them into other languages.

`make messages` (python -m tests.catalogues) writes new sentences into every catalogue, drops those
that are gone, and says what is left to translate. It guesses nothing: an English sentence that
changed is a new one.
"""

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as Entry
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from reconcile.language import LANGUAGES, catalogue

ROOT = Path(__file__).parent.parent
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
KEYWORDS = {"_": None, "say": None, "Message": {1: None, None: (1, 2)}}
OPTIONS = {"**/templates/**.html": {"trimmed": "true", "silent": "false"}}


def wanted() -> Catalog:
    """Return all sentences that the code says."""
    found = Catalog()
    for name, _, message, comments, _ in extract_from_dir(
        ROOT / "reconcile", METHODS, OPTIONS, KEYWORDS
    ):
        found.add(message, None, [(f"reconcile/{name}", 1)], auto_comments=comments)
    return found


def stored(code: str) -> Catalog:
    """Return a language's catalogue."""
    with catalogue(code).open("rb") as file:
        return read_po(file, locale=code)


def unfinished(code: str) -> Iterator[Entry]:
    """Yield the sentences that a catalogue does not have in its own language."""
    for entry in stored(code):
        texts = entry.string if isinstance(entry.string, tuple) else (entry.string,)
        if entry.id and (entry.fuzzy or not all(texts)):
            yield entry


def update(code: str) -> None:
    """Bring a catalogue up to what the code says."""
    path, template = catalogue(code), wanted()
    kept = stored(code) if path.exists() else Catalog(locale=code)
    kept.update(template, no_fuzzy_matching=True, update_creation_date=False)
    kept.obsolete.clear()
    out = BytesIO()
    write_po(out, kept, sort_output=False, sort_by_file=True, include_lineno=False, width=100)
    path.write_bytes(out.getvalue())


def main() -> int:
    """Update every catalogue; the exit code is 1 while something is left to translate."""
    left = 0
    for code in LANGUAGES[1:]:
        update(code)
        todo = list(unfinished(code))
        left += len(todo)
        sys.stdout.write(f"{catalogue(code).relative_to(ROOT)}: {len(todo)} to translate\n")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
