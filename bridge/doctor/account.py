"""Whether an account can work: its users, profile and secret, the hub and the old mailbox."""

from collections.abc import Generator, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from bridge.doctor.finding import Finding, Verdict, finding
from bridge.feeds.legacy import open_reader
from bridge.hub import HubReader
from bridge.naming import parse_profile
from bridge.settings import AccountSettings, LegacySettings, Settings, is_loopback, read_profile

MOST_OFFSET = 30
"""Seconds by which the clocks differ when it deserves a warning."""

FEW = 3
"""So many entities are named; the rest is counted."""


def examine_account(settings: Settings, own: AccountSettings) -> Generator[Finding, None, bool]:
    """Look at an account; returns whether the hub answered it."""
    name = f"account {own.name}"
    if settings.sftp.enabled or settings.ftp.enabled:
        yield _users(own)
    yield finding(f"{name}: profile", lambda: _profile(own))
    secret = finding(f"{name}: secret", lambda: _secret(own))
    yield secret
    answered = secret.verdict is Verdict.OK and (yield from _hub(settings, own))
    if own.legacy is not None:
        yield from _old_mailbox(own, own.legacy)
    return answered


def _users(own: AccountSettings) -> Finding:
    what = f"account {own.name}: users"
    if own.user:
        return Finding(what, Verdict.OK, ", ".join(user.name for user in own.user))
    advice = "nobody may log in: add an [[account.user]] (`efact-bridge hash-password` helps)"
    return Finding(what, Verdict.FAILED, advice)


def _profile(own: AccountSettings) -> str:
    parse_profile(read_profile(own.profile))
    return own.profile


def _secret(own: AccountSettings) -> str:
    own.read_secret()
    return "there, and nobody else can read it" if own.secret_file else "there"


def _hub(settings: Settings, own: AccountSettings) -> Generator[Finding, None, bool]:
    name = f"account {own.name}: hub"
    with HubReader(settings.hub, issuer=own.issuer, secret=own.read_secret()) as hub:
        answer = finding(name, lambda: _entities(hub, settings.hub.base_url))
        yield answer
        if hub.clock_offset is not None:
            yield _clock(own, hub.clock_offset)
    return answer.verdict is Verdict.OK


def _entities(hub: HubReader, base_url: str) -> str:
    found = hub.entities()
    names = ", ".join(entity.name or entity.nif for entity in found[:FEW])
    more = f" and {len(found) - FEW} more" if len(found) > FEW else ""
    return f"{base_url} takes our token; entities: {names or 'none'}{more}"


def _clock(own: AccountSettings, offset: timedelta) -> Finding:
    seconds = round(offset.total_seconds())
    said = f"the hub's clock is {seconds:+d} s from this machine's"
    if abs(seconds) < MOST_OFFSET:
        return Finding(f"account {own.name}: clock", Verdict.OK, said)
    advice = "the bridge copes, but set up time synchronisation (NTP)"
    return Finding(f"account {own.name}: clock", Verdict.WARNING, f"{said}: {advice}")


def _old_mailbox(own: AccountSettings, legacy: LegacySettings) -> Iterator[Finding]:
    name = f"account {own.name}: old mailbox"
    address = urlsplit(legacy.url)
    if address.scheme == "ftp" and not is_loopback(address.hostname or ""):
        advice = "nothing is encrypted on the way, the password neither: use ftps:// if it can"
        yield Finding(name, Verdict.WARNING, advice)
    yield finding(name, lambda: _look_into(own, legacy))


def _look_into(own: AccountSettings, legacy: LegacySettings) -> str:
    with open_reader(legacy, parse_profile(read_profile(own.profile))) as mailbox:
        return f"{legacy.url} {mailbox.in_words()}"
