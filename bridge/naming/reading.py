"""From the text of a profile to the profile: what would let two files share a name is refused."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from string import Formatter
from types import MappingProxyType
from typing import Any

from bridge.errors import InvoiceError
from bridge.filename import is_device
from bridge.naming.profile import (
    ID_FIELDS,
    Folder,
    NameParts,
    NamePattern,
    Profile,
    ProfileError,
)
from bridge.reference import AS_THE_HUB, FORMS

_KEYS: Mapping[str, frozenset[str]] = {
    "folders": frozenset(Folder),
    "names": frozenset({"out", "adjout", "statout", "statin"}),
    "extensions": frozenset({"out", "statout", "statin", "statin_accepted"}),
    "characters": frozenset({"max_bytes", "replacement", "forbidden"}),
}

_OPTIONAL: Mapping[str, frozenset[str]] = {"reference": frozenset({"form"})}

_NEEDED: Mapping[Folder, frozenset[str]] = {
    Folder.OUT: frozenset({"hub_id"}),
    Folder.ADJOUT: frozenset({"hub_id", "attachment"}),
    Folder.STATOUT: frozenset({"message_id"}),
    Folder.STATIN: frozenset(),
}

_ALLOWED = frozenset({"sender", "receiver", "reference"})

_NO_SEPARATORS = frozenset("_.-%")
"""Characters that ids, escapes and extensions are made of."""

_NO_FILE_NAME = frozenset('/\\:*?"<>|')
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]*(?<![ .])")
_MIN_BYTES, _MAX_BYTES = 100, 255

_MAX_PROFILE = 10_000
"""Characters of a profile. Python's TOML parser needs memory by their square, at worst."""


def parse_profile(text: str) -> Profile:
    """Read a naming profile from its TOML text; raises ProfileError naming the wrong key."""
    if len(text) > _MAX_PROFILE:
        raise ProfileError(f"the naming profile has more than {_MAX_PROFILE:,} characters")
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProfileError(f"the naming profile is not TOML: {error}") from error
    _refuse_wrong_keys(tables)
    names = {Folder(key): value for key, value in _strings(tables, "names").items()}
    separators = frozenset().union(*(_separators(role, name) for role, name in names.items()))
    extensions = {k: v for k, v in tables["extensions"].items() if k != "statin_accepted"}
    accepted = _accepted(tables["extensions"]["statin_accepted"])
    known = {*_extensions(extensions).values(), *accepted}
    profile = Profile(
        folders=MappingProxyType(_folders(_strings(tables, "folders"))),
        patterns=MappingProxyType(
            {role: _pattern(role, name, separators, known) for role, name in names.items()}
        ),
        extensions=MappingProxyType(_extensions(extensions)),
        accepted=accepted,
        separators=separators,
        reference=_reference(tables.get("reference", {})),
        **_characters(tables["characters"], separators),
    )
    _prove(profile)
    return profile


def _refuse_wrong_keys(tables: Mapping[str, Any]) -> None:
    for table in tables.keys() - _KEYS.keys() - _OPTIONAL.keys():
        raise ProfileError(f"{table}: a naming profile has no such table")
    needed = {**_KEYS, **{table: keys for table, keys in _OPTIONAL.items() if table in tables}}
    for table, keys in needed.items():
        found = tables.get(table)
        if not isinstance(found, dict):
            raise ProfileError(f"[{table}]: the naming profile needs this table")
        for key in sorted(found.keys() - keys):
            raise ProfileError(f"{table}.{key}: a naming profile has no such key")
        for key in sorted(keys - found.keys()):
            raise ProfileError(f"{table}.{key}: the naming profile needs this key")


def _strings(tables: Mapping[str, Any], table: str) -> dict[str, str]:
    for key, value in tables[table].items():
        if not isinstance(value, str):
            raise ProfileError(f"{table}.{key}: a text is wanted")
    return dict(tables[table])


def _folders(values: Mapping[str, str]) -> dict[Folder, str]:
    folders = {Folder(key): name for key, name in values.items()}
    for role, name in folders.items():
        if is_device(name) or not _FOLDER.fullmatch(name):
            raise ProfileError(
                f"folders.{role}: {name!r} is no name for a folder: letters and digits, please"
            )
    if len({name.casefold() for name in folders.values()}) < len(folders):
        raise ProfileError("folders: two of them have the same name")
    return folders


def _extensions(values: Mapping[str, Any]) -> dict[Folder, str]:
    for key, value in values.items():
        if not isinstance(value, str) or not re.fullmatch(r"(?:\.[A-Za-z0-9]+)*", value):
            raise ProfileError(f'extensions.{key}: an extension like ".XML" is wanted, or ""')
    return {Folder(key): value for key, value in values.items()}


def _accepted(values: object) -> tuple[str, ...]:
    wrong = ProfileError('extensions.statin_accepted: a list like [".XML", ".xml"] is wanted')
    if not isinstance(values, list) or not values:
        raise wrong
    if not all(isinstance(v, str) and re.fullmatch(r"(?:\.[A-Za-z0-9]+)+", v) for v in values):
        raise wrong
    return tuple(values)


def _characters(values: Mapping[str, Any], separators: frozenset[str]) -> dict[str, Any]:
    size, replacement, forbidden = (
        values[key] for key in ("max_bytes", "replacement", "forbidden")
    )
    if not isinstance(forbidden, str):
        raise ProfileError("characters.forbidden: a text of single characters is wanted")
    unwanted = frozenset(forbidden) | separators
    if type(size) is not int or not _MIN_BYTES <= size <= _MAX_BYTES:
        raise ProfileError(
            f"characters.max_bytes: a number from {_MIN_BYTES} to {_MAX_BYTES} is wanted"
        )
    if not isinstance(replacement, str) or not re.fullmatch(r"[A-Za-z0-9_-]", replacement):
        raise ProfileError('characters.replacement: one letter, digit, "_" or "-" is wanted')
    if replacement in unwanted:
        raise ProfileError("characters.replacement: this character is itself forbidden")
    return {"max_bytes": size, "replacement": replacement, "forbidden": frozenset(forbidden)}


def _reference(values: Mapping[str, Any]) -> str:
    form = values.get("form", AS_THE_HUB)
    if form not in (AS_THE_HUB, *FORMS):
        known = ", ".join(f'"{known}"' for known in FORMS)
        raise ProfileError(f'reference.form: one of {known} is wanted, or "" for the hub\'s number')
    return str(form)


def _pieces(role: Folder, text: str) -> list[tuple[str, str | None]]:
    """Return the literal texts of a pattern, each with the placeholder that follows it."""
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise ProfileError(f"names.{role}: {error}") from error
    if any(spec or conversion for _, _, spec, conversion in parsed):
        raise ProfileError(f"names.{role}: a placeholder is a name in braces, nothing else")
    return [(literal, field) for literal, field, _, _ in parsed]


def _separators(role: Folder, text: str) -> frozenset[str]:
    pieces = _pieces(role, text)
    fields = [field for _, field in pieces if field is not None]
    needed = _NEEDED[role]
    for field in fields:
        if field not in needed | _ALLOWED | ID_FIELDS:
            raise ProfileError(f"names.{role}: there is no placeholder {{{field}}} here")
    if missing := sorted(needed - set(fields)):
        raise ProfileError(f"names.{role}: {{{missing[0]}}} is needed, or names would be shared")
    if len(set(fields)) < len(fields) or not fields:
        raise ProfileError(f"names.{role}: each placeholder stands in a pattern once")
    literals = [literal for literal, _ in pieces[1:]]
    for literal in literals:
        if not any(_is_separator(char) for char in literal):
            raise ProfileError(f'names.{role}: a separator such as "@" is needed between two parts')
    separators = {char for literal, _ in pieces for char in literal if _is_separator(char)}
    if any(char in _NO_FILE_NAME or not char.isprintable() for char in separators):
        raise ProfileError(f"names.{role}: a character in it cannot stand in a file name")
    return frozenset(separators)


def _is_separator(char: str) -> bool:
    return not char.isalnum() and char not in _NO_SEPARATORS


def _pattern(
    role: Folder, text: str, separators: frozenset[str], known: Iterable[str]
) -> NamePattern:
    pieces = _pieces(role, text)
    other = re.escape("".join(sorted(separators)))
    forms = {
        "reference": ".*?",
        "attachment": "[0-9]{3,18}",  # more digits are no number that we gave
        "hub_id": f"[^.{other}]+",
        "message_id": f"[^.{other}]+",
    }
    regex = "".join(
        re.escape(literal) + (f"(?P<{field}>{forms.get(field, f'[^{other}]*?')})" if field else "")
        for literal, field in pieces
    )
    last = pieces[-1][1]
    if last in {"reference", "sender", "receiver"} or last is None:
        # A reference may hold dots: only an extension that we know ends it.
        ends = "|".join(re.escape(end) for end in sorted({*known} - {""}))
        regex += f"(?P<extension>(?:{ends})?)"
    else:
        regex += rf"(?P<extension>(?:\.[^.{other}]+)*)"
    fields = tuple(field for _, field in pieces if field)
    return NamePattern(text=text, fields=fields, regex=re.compile(regex, re.DOTALL | re.IGNORECASE))


def _prove(profile: Profile) -> None:
    """Refuse a profile whose own names do not come back as they went in."""
    parts = NameParts(
        sender="A1", receiver="B2", reference="2024_7", hub_id="X9", message_id="M8", attachment=3
    )
    for role, write in (
        (Folder.OUT, profile.invoice_name),
        (Folder.ADJOUT, profile.attachment_name),
        (Folder.STATOUT, profile.message_name),
        (Folder.STATIN, profile.state_file_name),
    ):
        try:
            found = profile.parse(role, write(parts))
        except InvoiceError as error:
            raise ProfileError(f"names.{role}: such a name does not fit: {error}") from error
        fields = profile.patterns[role].fields
        if found is None or any(getattr(found, f) != getattr(parts, f) for f in fields):
            raise ProfileError(f"names.{role}: names of this form cannot be told apart again")
