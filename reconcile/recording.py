"""`record`: one round of listening to the feed of an account that does not serve."""

from collections.abc import Iterator
from pathlib import Path

from bridge.account import Account
from bridge.every_account import AccountRound, each
from bridge.model import FeedName
from bridge.recording import FeedRecorder, Round

_NOUNS = {FeedName.LEGACY: "files", FeedName.REST: "pending invoices"}


def record(config: Path, name: str | None) -> Iterator[AccountRound]:
    """Do one round for every account, or for the one of this name."""
    return each(config, _record, only=name)


def _record(account: Account) -> AccountRound:
    feeds = account.feeds()
    feed = feeds.shadow or _other(account, feeds.serve)
    if feed is None:
        return AccountRound(
            account=account.name,
            said='nothing to record: there is no shadow feed (shadow = "" in the settings), and '
            "what the serving feed delivers is recorded by `serve` and `pull`",
        )
    done = FeedRecorder(account).round(feed, only_due=False)
    said = in_words(done)
    if feeds.shadow is None:
        said += '; it is no shadow feed (shadow = ""): `serve` does not go on with this'
    return AccountRound(account=account.name, said=said, troubles=done.troubles + _doubts(done))


def _other(account: Account, serving: FeedName | None) -> FeedName | None:
    """Return the feed that can be listened to though the settings name no shadow."""
    if serving is FeedName.REST:
        return FeedName.LEGACY if account.own.legacy is not None else None
    return FeedName.REST


def in_words(done: Round) -> str:
    """Return what a round came to."""
    return (
        f"{done.feed}: {done.shown} {_NOUNS[done.feed]} listed, {done.recorded} deliveries "
        f"recorded, {done.gone} gone"
    )


def _doubts(done: Round) -> tuple[str, ...]:
    """Return what may be missing."""
    capped = tuple(f"more waits than the hub lists: {part}" for part in done.capped_slices)
    if not done.vanished:
        return capped
    what = f"all {done.vanished} {_NOUNS[done.feed]} are suddenly gone; the next round tells"
    return (*capped, f"{done.feed}: {what} whether it is so")
