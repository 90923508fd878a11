"""A profile at work: parts of a name to the name, and back."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from bridge.errors import InvoiceError, SettingsError
from bridge.filename import clean, cut, escape_id, safe_extension, unescape_id
from bridge.reference import AS_THE_HUB, written


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

ID_FIELDS = frozenset({"hub_id", "message_id"})
"""Parts of a name that come back as they went in."""


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
        for field in ID_FIELDS & values.keys():
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
        if field not in ID_FIELDS:
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
