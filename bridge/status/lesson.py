"""What was learned from a folder of old mailbox files, as lines for a person."""

from collections.abc import Iterator, Mapping
from itertools import islice

from bridge.learning import Lesson
from bridge.old_files.habits import Habit
from bridge.old_files.past import NamesFound
from bridge.status.words import counted, safe

_NAMED = 5
"""How many names or tax ids are shown of a list."""


def lesson_lines(lesson: Lesson) -> Iterator[str]:
    """Yield the lines that tell of a lesson; its problems are not among them."""
    outcome = "counted as collected" if lesson.collected else "learned, not counted as collected"
    yield f"{lesson.account}: {counted(lesson.invoices, 'invoice')} ({lesson.new} new) {outcome}"
    if lesson.attachments:
        yield f"{counted(lesson.attachments, 'new attachment')} of theirs"
    if lesson.without_hub_id:
        yield (
            f"{len(lesson.without_hub_id)} without a hub id, not counted: "
            f"{_first(map(safe, lesson.without_hub_id), total=len(lesson.without_hub_id))}"
        )
    if lesson.issued:
        yield f"{lesson.issued} in the folder `in` passed over: this platform issued them"
    yield f"addressing codes known of {counted(len(lesson.codes), 'tax id')}"
    if lesson.disagreeing:
        shown = (f"{safe(nif)} ({_times(codes)})" for nif, codes in lesson.disagreeing.items())
        yield (
            f"files disagree on the codes of {counted(len(lesson.disagreeing), 'more tax id')}, "
            f"none of which is used: {_first(shown, total=len(lesson.disagreeing))}"
        )
    of_account = lesson.names.profile == lesson.profile
    yield from _names(lesson.names, of_account=of_account)
    if lesson.profile_file is None:
        return
    same = of_account and not any(habit.is_news for habit in lesson.names.habits)
    yield f"naming profile written: {lesson.profile_file}"
    if same:
        yield "it says what the account's profile says: nothing has to be changed"
    else:
        yield f'to have the names so, set profile = "{lesson.profile_file}" for this account'


def _first(texts: Iterator[str], *, total: int) -> str:
    more = f" and {total - _NAMED} more" if total > _NAMED else ""
    return ", ".join(islice(texts, _NAMED)) + more


def _times(codes: Mapping[str, int]) -> str:
    shown = (f"{safe(code)}: {counted(times, 'file')}" for code, times in codes.items())
    return _first(shown, total=len(codes))


def _names(names: NamesFound, *, of_account: bool) -> Iterator[str]:
    if not names.total:
        return
    whose = "" if of_account else ", which is not the account's"
    yield f'names follow profile "{names.profile}"{whose} ({names.fitting} of {names.total})'
    for habit in names.habits:
        yield f"  {_habit(habit)}"


def _habit(habit: Habit) -> str:
    """Say what was found of one key of the profile, and how sure it is."""
    sure = "" if habit.sure else ", not sure"
    other = f"; the profile says {_quoted(habit.expected)}" if habit.is_news else ""
    return (
        f"{habit.key} = {_quoted(habit.value)} "
        f"({habit.agreeing} of {counted(habit.total, 'file')}{sure}){other}"
    )


def _quoted(text: str) -> str:
    return f'"{safe(text)}"'
