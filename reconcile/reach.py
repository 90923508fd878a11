"""What could not be reached while a report was made: it is said, and the report goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from bridge.errors import AccountError, BridgeError, HubAwayError, OldMailboxAwayError
from bridge.model import FeedName

log = structlog.get_logger()


@dataclass(slots=True)
class Reach:
    """Which feeds were out of reach, and why."""

    said: dict[FeedName, str] = field(default_factory=dict)
    away: bool = False
    """One of them could not be reached; else it only did not let us in."""

    def reaches(self, feed: FeedName) -> bool:
        """Tell whether a feed may still be asked."""
        return feed not in self.said

    @contextmanager
    def asking(self, feed: FeedName) -> Iterator[None]:
        """Note a feed that is away or does not let us in, and end the block there."""
        try:
            yield
        except (HubAwayError, OldMailboxAwayError, AccountError) as error:
            self.note(feed, error)

    def note(self, feed: FeedName, error: BridgeError) -> None:
        """Note that a feed is out of reach."""
        log.warning("out of reach", feed=feed, reason=str(error))
        self.said.setdefault(feed, str(error))
        self.away |= not isinstance(error, AccountError)
