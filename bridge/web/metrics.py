"""The numbers for Prometheus, worked out from the ledger when they are asked for.

What is not known (a hub that was never asked) has no sample, but for the last poll: an account
that never polled must raise the alarm, so its time is 0.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bridge.status import Status
from bridge.status.facts import AccountStatus


def registry(look: Callable[[], Status]) -> CollectorRegistry:
    """Return a registry of its own whose numbers `look` gives at each scrape."""
    own = CollectorRegistry()
    own.register(_Collector(look))
    return own


class _Collector:
    def __init__(self, look: Callable[[], Status]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        status = self._look()
        yield from _of_machine(status)
        yield from _of_accounts(status)


def _of_machine(status: Status) -> Iterator[GaugeMetricFamily]:
    reachable = _gauge("hub_reachable", "Whether the hub answered when it was last asked")
    offset = _gauge("clock_offset_seconds", "How far the hub's clock is ahead of this machine's")
    free = _gauge("disk_free_bytes", "Free space where ledger, archive and mailboxes lie")
    values = (
        (reachable, status.hub_reachable),
        (offset, status.clock_offset),
        (free, status.disk_free_bytes),
    )
    for gauge, value in values:
        if value is not None:
            gauge.add_metric([], float(value))
            yield gauge


def _of_accounts(status: Status) -> Iterator[Metric]:
    poll = _gauge(
        "last_poll_timestamp_seconds", "When the pending list was last read; 0: never", "account"
    )
    oldest = _gauge(
        "uncollected_oldest_seconds", "How long the first invoice has lain in `out`", "account"
    )
    capped = _gauge("capped_slices", "Lists that the hub cuts off", "account")
    deliveries = _gauge("deliveries", "Invoices by how far they have come", "account", "state")
    drift = CounterMetricFamily(
        "efact_bridge_contract_drift",
        "Answers of the hub that differ from its published contract",
        labels=["account", "kind"],
    )
    updates = _gauge("updates", "State updates by how far they have come", "account", "status")
    came = _gauge(
        "client_last_seen_timestamp_seconds",
        "When the account's software last came; if it never did, since when it is awaited",
        "account",
    )
    sessions = _gauge("sessions", "Clients that are connected", "account", "protocol")
    for account in status.accounts:
        silent = status.silent_for(account)
        if silent is not None:
            came.add_metric([account.name], status.at.timestamp() - silent)
        for protocol in ("sftp", "ftp"):
            here = sum(row.protocol == protocol for row in account.here)
            sessions.add_metric([account.name, protocol], here)
        name, last = account.name, account.row.last_poll
        poll.add_metric([name], last.timestamp() if last else 0)
        oldest.add_metric([name], status.oldest_uncollected(account) or 0)
        capped.add_metric([name], len(account.row.capped_slices))
        for kind, times in _drift_by_kind(account).items():
            drift.add_metric([name, kind], times)
        for state, count in account.deliveries.items():
            deliveries.add_metric([name, state], count)
        for step, count in account.updates.items():
            updates.add_metric([name, step], count)
    yield from (poll, oldest, capped, deliveries, updates, drift, came, sessions)


def _drift_by_kind(account: AccountStatus) -> Mapping[str, int]:
    times = Counter[str]()
    for row in account.drift:
        times[row.kind] += row.times
    return times


def _gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"efact_bridge_{name}", help_text, labels=labels)
