"""The feeds: sources that deliver invoices. What delivers only has no write methods at all."""

from bridge.feeds.rest import Listing, RestFeed

__all__ = ["Listing", "RestFeed"]
