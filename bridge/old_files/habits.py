"""The habits of an old mailbox: how it wrote what a naming profile says, as its files show.

Each habit is a key of the profile, with the value that most files show and how many do. A key that
no file shows keeps what the profile says: nothing is guessed.
"""

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from bridge.model import InvoiceFacts
from bridge.naming import Folder, NameParts, Profile
from bridge.reference import AS_THE_HUB, FORMS, written

ENOUGH = 3
"""So many files must show a habit, and none of them another, before it is called sure."""

REPLACEMENTS = "_-"
"""What stands where a name cannot hold a character of the reference; the likeliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """One key of a naming profile as the files show it."""

    key: str
    """Such as `extensions.out`."""
    value: str
    agreeing: int
    total: int
    """How many files show this key at all."""
    expected: str
    """What the profile says."""

    @property
    def sure(self) -> bool:
        """Whether there are enough files, and all agree."""
        return self.agreeing == self.total >= ENOUGH

    @property
    def is_news(self) -> bool:
        """Whether the profile says something else."""
        return self.value != self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A file of the old mailbox as its name and content tell it."""

    role: Folder
    """The folder that it belongs to, by what it is."""
    folder: str | None
    """The name of the folder that it lay in, where that is one of the mailbox's."""
    parts: NameParts | None
    facts: InvoiceFacts | None = None


def habits(profile: Profile, files: Sequence[NamedFile]) -> tuple[Habit, ...]:
    """Return what the files show, in the order of the profile's keys."""
    found = [*_folders(profile, files), *_extensions(profile, files), *_references(profile, files)]
    return tuple(habit for habit in found if habit is not None)


def profile_text(base: str, found: Iterable[Habit], *, head: str) -> str:
    """Return a naming profile as TOML: `base` with what was found, each with its evidence.

    `base` is the text of a whole profile; `head` says where the new one comes from.
    """
    tables = tomllib.loads(base)
    evidence: dict[tuple[str, str], str] = {}
    for habit in found:
        table, key = habit.key.split(".")
        tables.setdefault(table, {})[key] = habit.value
        sure = "" if habit.sure else ", not sure"
        evidence[table, key] = f"  # {habit.agreeing} of {habit.total} files{sure}"
    lines = [f"# {line}" for line in head.splitlines()]
    for table, values in tables.items():
        lines += ["", f"[{table}]"]
        lines += [
            f"{key} = {_toml(value)}{evidence.get((table, key), '')}"
            for key, value in values.items()
        ]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """Write a text, a number or a list of texts; JSON's form of these is TOML's as well."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _most(key: str, shown: Counter[str], *, expected: str) -> Habit | None:
    if not shown:
        return None
    value, agreeing = shown.most_common(1)[0]
    if shown[expected] == agreeing:
        value = expected
    return Habit(key=key, value=value, agreeing=agreeing, total=shown.total(), expected=expected)


def _folders(profile: Profile, files: Iterable[NamedFile]) -> Iterator[Habit | None]:
    shown: dict[Folder, Counter[str]] = {role: Counter() for role in Folder}
    for file in files:
        role = profile.role_of(file.folder) if file.folder else None
        if role and file.folder:
            shown[role][file.folder] += 1
    for role, names in shown.items():
        yield _most(f"folders.{role}", names, expected=profile.folder(role))


def _extensions(profile: Profile, files: Sequence[NamedFile]) -> Iterator[Habit | None]:
    for role in (Folder.OUT, Folder.STATOUT, Folder.STATIN):
        shown = Counter(
            f".{file.parts.extension}" if file.parts.extension else ""
            for file in files
            if file.role is role and file.parts and _is_plain(file.parts.extension or "")
        )
        if role is Folder.STATIN:
            del shown[""]  # no state file: the profile must name an extension that is taken
        yield _most(f"extensions.{role}", shown, expected=profile.extensions[role])


def _is_plain(extension: str) -> bool:
    """Tell an extension from what a file manager put behind a copy's name."""
    return extension.replace(".", "").isalnum() and extension.isascii() if extension else True


def _references(profile: Profile, files: Iterable[NamedFile]) -> Iterator[Habit | None]:
    """Find how number and series stand in the reference, and what replaces the rest."""
    forms: Counter[str] = Counter()
    replacements: Counter[str] = Counter()
    for file in files:
        fit = _fitting(profile, file)
        if fit is None:
            continue
        form, replacement, replaced = fit
        if file.facts and file.facts.series:
            forms[form] += 1
        if replaced:
            replacements[replacement] += 1
    if forms:
        yield _most("reference.form", forms, expected=profile.reference)
    yield _most("characters.replacement", replacements, expected=profile.replacement)


def _fitting(profile: Profile, file: NamedFile) -> tuple[str, str, bool] | None:
    """Return form and replacement that give a file's reference, and whether any was replaced."""
    if file.role is not Folder.OUT or not file.parts or not file.facts or not file.facts.number:
        return None
    number, series = file.facts.number, file.facts.series
    own = [profile.reference] if profile.reference != AS_THE_HUB else []
    marks = dict.fromkeys([profile.replacement, *REPLACEMENTS])
    for form, mark in product([*own, *FORMS], marks):
        text = written(form, number=number, series=series)
        if replace(profile, replacement=mark).as_written(text) == file.parts.reference:
            return form, mark, profile.as_written(text) != text
    return None
