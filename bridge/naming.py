"""Names of folders and files in a mailbox: parts to names and names to parts, by a profile.

A profile is data (`config/profiles/*.toml`): nobody can look at the old endpoint any more, so what
it called things is a setting, never code. What holds for every profile:

- A name that we write can be parsed back: hub id, message id and attachment number always come
  back whole, the other parts unless something in them had to be replaced or cut.
- Two hub ids never share a name, not even on a disk that ignores the case of letters: the ids are
  escaped without loss (`%XX`), and only the reference is cut where a name gets too long.
- Issuers and hub are not trusted: no separator, control character or name that Windows cannot
  hold survives, and no name starts with a dot or a tilde.

Sources of the shipped profile: legacy-ftp, "Folders" and "File names".
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from string import Formatter
from types import MappingProxyType
from typing import Any

from bridge.errors import InvoiceError, SettingsError
from bridge.filename import (
    clean,
    cut,
    escape_id,
    extension_of,
    is_device,
    safe_extension,
    unescape_id,
)
from bridge.reference import AS_THE_HUB, FORMS, written

__all__ = [
    "Folder",
    "NameParts",
    "Profile",
    "ProfileError",
    "extension_of",
    "is_temporary",
    "parse_profile",
]


class ProfileError(SettingsError):
    """A naming profile that cannot be used; the text names the key."""


class Folder(StrEnum):
    """The folders of a mailbox, by what they are for."""

    OUT = "out"
    ADJOUT = "adjout"
    STATOUT = "statout"
    STATIN = "statin"
    IN = "in"
    ADJIN = "adjin"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameParts:
    """What a file name tells, or is to tell.

    `attachment` is the attachment's number within its invoice, from 1. `extension` has no dot; in
    `attachment_name` it may be whatever the issuer typed, see `extension_of`.
    """

    sender: str = ""
    receiver: str = ""
    reference: str = ""
    hub_id: str | None = None
    attachment: int | None = None
    message_id: str | None = None
    extension: str | None = None


CODE_BYTES = 64
"""More of an addressing code is not kept: known ones are 22 characters (legacy-ftp)."""

_ID_FIELDS = frozenset({"hub_id", "message_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePattern:
    """A file-name pattern of a profile, ready to write and to parse names."""

    text: str
    fields: tuple[str, ...]
    regex: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The folder names and file-name patterns of a mailbox; made by `parse_profile`."""

    folders: Mapping[Folder, str]
    patterns: Mapping[Folder, NamePattern]
    extensions: Mapping[Folder, str]
    accepted: tuple[str, ...]
    """Extensions of state files that are taken, upper and lower case being two things."""
    separators: frozenset[str]
    forbidden: frozenset[str]
    replacement: str
    max_bytes: int
    reference: str
    """One of `reference.FORMS`, or `AS_THE_HUB`."""

    def folder(self, role: Folder) -> str:
        """Return the real name of a folder."""
        return self.folders[role]

    def role_of(self, folder_name: str) -> Folder | None:
        """Return what the folder of this name, in any case, is for; None if it is none of ours."""
        wanted = folder_name.casefold()
        return next(
            (role for role, name in self.folders.items() if name.casefold() == wanted), None
        )

    def role_in(self, folders: Sequence[str]) -> Folder | None:
        """Return what the innermost of these nested folders that is one of ours is for."""
        roles = (self.role_of(folder) for folder in reversed(folders))
        return next(filter(None, roles), None)

    def invoice_name(self, parts: NameParts) -> str:
        """Return the name of an invoice in `out`; `hub_id` is needed.

        Raises InvoiceError, as all the names here, if the ids alone are too long for a name.
        """
        return self._name(Folder.OUT, parts, self.extensions[Folder.OUT])

    def attachment_name(self, parts: NameParts) -> str:
        """Return the name of an attachment in `adjout`; `hub_id` and `attachment` are needed."""
        return self._name(Folder.ADJOUT, parts, f".{safe_extension(parts.extension or '')}")

    def message_name(self, parts: NameParts) -> str:
        """Return the name of a state message in `statout`; `message_id` is needed."""
        return self._name(Folder.STATOUT, parts, self.extensions[Folder.STATOUT])

    def state_file_name(self, parts: NameParts) -> str:
        """Return the name under which the RCF would write a state file into `statin`."""
        return self._name(Folder.STATIN, parts, self.extensions[Folder.STATIN])

    def reference_of(
        self, hub_number: str | None, *, file_number: str | None, series: str | None
    ) -> str:
        """Return an invoice's reference, of the numbers that the hub and its file give."""
        if self.reference != AS_THE_HUB and file_number:
            return written(self.reference, number=file_number, series=series)
        return hub_number or file_number or ""

    def as_written(self, text: str) -> str:
        """Return a text with what a name of this profile cannot hold replaced."""
        unwanted = self.forbidden | self.separators
        return clean(text, unwanted=unwanted, replacement=self.replacement)

    def parse(self, folder: Folder, name: str) -> NameParts | None:
        """Return what a file name tells, or None if it does not follow the folder's pattern.

        Names with another extension than the profile's, in any case, or with none are understood
        wherever an id or a number ends the pattern.
        """
        pattern = self.patterns.get(folder)
        match = pattern.regex.fullmatch(name) if pattern else None
        if match is None:
            return None
        values: dict[str, Any] = {k: v for k, v in match.groupdict().items() if v is not None}
        for field in _ID_FIELDS & values.keys():
            values[field] = unescape_id(values[field])
        if "attachment" in values:
            values["attachment"] = int(values["attachment"])
        values["extension"] = values["extension"].removeprefix(".") or None
        return NameParts(**values)

    def is_state_file(self, name: str) -> bool:
        """Tell by its extension alone whether a file in `statin` is a state file."""
        return any(name.endswith(end) and name != end for end in self.accepted)

    def _name(self, folder: Folder, parts: NameParts, extension: str) -> str:
        pattern = self.patterns[folder]
        values = {field: self._written(field, parts) for field in pattern.fields}
        bare = pattern.text.format(**(values | {"reference": ""})) + extension
        room = self.max_bytes - len(bare.encode())
        if room < 1:
            raise InvoiceError(
                f"invoice {parts.hub_id or parts.message_id}: its ids leave no room in a file name "
                f"of {self.max_bytes} bytes: raise characters.max_bytes in the naming profile"
            )
        if "reference" in values:
            values["reference"] = cut(values["reference"], room)
        return self._presentable(pattern.text.format(**values) + extension)

    def _written(self, field: str, parts: NameParts) -> str:
        value = getattr(parts, field)
        if field == "attachment":
            return f"{value:03d}"
        if field not in _ID_FIELDS:
            kept = self.as_written(value)
            return kept if field == "reference" else cut(kept, CODE_BYTES)
        if not value:
            raise InvoiceError(f"invoice {parts.reference!r}: a file name needs its {field}")
        return escape_id(value, also=self.separators)

    def _presentable(self, name: str) -> str:
        if name[0] in ".~":
            name = self.replacement + name[1:]
        return name if name[-1] not in ". " else name[:-1] + self.replacement


def is_temporary(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a name fits one of these shell patterns (`*.part`, `.*`), in any case."""
    folded = name.casefold()
    return any(fnmatchcase(folded, pattern.casefold()) for pattern in patterns)


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
        if field not in needed | _ALLOWED | _ID_FIELDS:
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
