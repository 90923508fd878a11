"""A report in sentences of a language: what the terminal and the HTML page both say."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge.recorded import Difference
from reconcile.language import ZONE, Language, Message
from reconcile.model import FINDINGS, Evidence, Gap, Outcome, Reason, Report, Row
from reconcile.rendering.inert import visible
from reconcile.rendering.notes import note
from reconcile.rendering.reasons import PLACES, REASONS
from reconcile.rendering.words import FEEDS, FIELDS, OUTCOMES, VALUES, VERDICTS

_SIDES = {feed.value: says for feed, says in FEEDS.items()}
_NUMBERED = re.compile(r"([a-z_]+)( \d+.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A reason in words: what it is, whom it concerns, what to do."""

    says: str
    advice: str
    which: str = ""
    said: str = ""
    place: str = ""
    """Where the page says more: an outcome, `states` or `gaps`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A name and its value."""

    label: str
    value: str


def verified_through(language: Language, report: Report) -> str:
    """Return the first line of every report."""
    if report.verified_through is None:
        return language.say(Message("Verified through: nothing yet"))
    return language.say(Message("Verified through: {moment}"), moment=report.verified_through)


def verdict(language: Language, report: Report) -> str:
    """Return the verdict in a few words."""
    return language.say(VERDICTS[report.verdict].label)


def reason(language: Language, what: Reason) -> Told:
    """Return a reason, or a remark, in words."""
    cause = REASONS[what.kind]
    return Told(
        says=language.say(cause.says, count=what.count, wanted=what.wanted),
        advice=language.say(cause.advice),
        which=_which(language, what),
        said=visible(what.said),
        place=PLACES.get(what.kind, ""),
    )


def facts(language: Language, report: Report) -> Iterator[Fact]:
    """Yield what the report is about: account, period, when and from what it was made."""
    say = language.say
    yield Fact(label=say("Account"), value=visible(report.account))
    yield Fact(label=say("Made at"), value=_made_at(language, report))
    yield Fact(label=say("Period"), value=_period(language, report))
    yield Fact(label=say("Old mailbox read from"), value=_source(language, report))
    yield Fact(label=say("REST API read from"), value=visible(report.rest_source))
    yield Fact(label=say("Grace time"), value=language.duration(report.grace_seconds))


def evidence(language: Language, report: Report) -> Iterator[Fact]:
    """Yield on what the verdict stands."""
    say, seen = language.say, report.evidence
    yield Fact(label=say("Invoices seen on both sides"), value=language.number(seen.invoices))
    yield Fact(label=say("Days from the first to the last"), value=_days(language, seen))
    yield Fact(label=say("Attachments compared"), value=language.number(seen.attachments))
    yield Fact(label=say("Receipts compared"), value=language.number(seen.receipts))
    yield Fact(label=say("States compared"), value=_states_compared(language, seen))
    yield Fact(label=say("File names compared"), value=_names_compared(language, seen))
    accepted = sum(row.accepted is not None for row in report.rows)
    yield Fact(label=say("Findings accepted"), value=language.number(accepted))
    yield Fact(label=say("Entities seen"), value=_listed(language, seen.entities_seen))
    yield Fact(label=say("States seen"), value=_listed(language, seen.states_seen))


def _states_compared(language: Language, seen: Evidence) -> str:
    if not seen.older_states:
        return language.number(seen.state_updates)
    return language.say(
        "{compared}; {left} of older invoices were not",
        compared=seen.state_updates,
        left=seen.older_states,
    )


def _names_compared(language: Language, seen: Evidence) -> str:
    if not seen.older_names:
        return language.number(seen.names)
    return language.say("{compared}, of the newest invoices", compared=seen.names)


def not_seen(language: Language, seen: Evidence) -> Iterator[str]:
    """Yield what was not seen so far, and of which the report therefore says nothing."""
    if seen.entities_not_seen:
        entities = language.names(map(visible, seen.entities_not_seen), last="or")
        yield language.say("No invoice for {entity} so far", entity=entities)
    if seen.states_not_seen:
        states = language.names(map(visible, seen.states_not_seen), last="or")
        yield language.say("No {state} invoice so far", state=states)
    if not seen.attachments:
        yield language.say("No attachment so far")
    if not seen.receipts:
        yield language.say("No receipt so far")


def blocking(report: Report) -> frozenset[Outcome]:
    """Return the outcomes that stand in the way of `ready`: the settings may let some pass."""
    kinds = {what.kind.value for what in report.reasons}
    return frozenset(each for each in FINDINGS if each.value in kinds)


def outcome(language: Language, which: Outcome) -> str:
    """Return the name of an outcome."""
    return language.say(OUTCOMES[which].label)


def field(language: Language, difference: Difference) -> str:
    """Return the name of what differs: `total`, `attachment 2`, `invoice line 1 Quantity`."""
    numbered = _NUMBERED.fullmatch(difference.field)
    name, number = numbered.groups() if numbered else (difference.field, "")
    if name not in FIELDS:
        return visible(difference.field)
    return f"{language.say(FIELDS[name])}{visible(number)}"


def values(language: Language, difference: Difference) -> tuple[str | None, str | None]:
    """Return what both sides say; a word of ours in the language."""
    said = VALUES.get(difference.field, {})
    both = (difference.legacy, difference.rest)
    legacy, rest = (language.say(said[each]) if each and each in said else each for each in both)
    return legacy, rest


def side(value: str | None) -> str:
    """Return what a side says; a dash where it says nothing."""
    return "–" if value is None else visible(value)


def marks(language: Language, row: Row) -> Iterator[str]:
    """Yield what else is to be known of an invoice, a sentence each."""
    if row.note:
        yield note(language, row.note)
    if row.duplicate_of:
        others = language.names(map(visible, row.duplicate_of))
        yield language.say("The same invoice as {others}", others=others)
    if row.was_in_flight:
        yield language.say("An earlier report had it in flight; the grace time is over")
    if row.accepted is not None:
        yield language.say(
            "Accepted by {who} on {moment}: {reason}",
            who=visible(row.accepted.by),
            moment=row.accepted.at,
            reason=visible(row.accepted.reason),
        )


def gap(language: Language, what: Gap) -> str:
    """Return which side was not recorded, from when to when, and why."""
    says = language.say(
        "{side}: from {since} to {until}",
        side=language.say(FEEDS[what.feed]),
        since=what.since,
        until=what.until,
    )
    return f"{says}: {visible(what.said)}" if what.said else says


def _which(language: Language, what: Reason) -> str:
    if not what.names:
        return ""
    names = [_named(language, name) for name in what.names]
    if what.count > len(names) and not _SIDES.keys() >= set(what.names):
        more = what.count - len(names)
        names.append(language.say("{count} more", count=more))
    return language.names(names)


def _named(language: Language, name: str) -> str:
    return language.say(_SIDES[name]) if name in _SIDES else visible(name)


def _period(language: Language, report: Report) -> str:
    since, until = report.since, report.until
    if since and until:
        return language.say(
            "{since} to {until}", since=language.long_day(since), until=language.long_day(until)
        )
    if since:
        return language.say("from {day} on", day=language.long_day(since))
    if until:
        return language.say("until {day}", day=language.long_day(until))
    return language.say("everything recorded")


def _made_at(language: Language, report: Report) -> str:
    moment = language.moment(report.generated_at)
    return language.say(
        "{moment} ({zone}), by efact-bridge {version}",
        moment=moment,
        zone=ZONE.key,
        version=visible(report.version),
    )


def _source(language: Language, report: Report) -> str:
    if report.legacy_source == "ledger":
        return language.say("the ledger of the bridge")
    return visible(report.legacy_source)


def _days(language: Language, seen: Evidence) -> str:
    return language.number(round(seen.days, 1))


def _listed(language: Language, names: Sequence[str]) -> str:
    return language.names(map(visible, names)) if names else "–"
