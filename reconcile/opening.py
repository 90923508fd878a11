"""The account that a command of `efact-reconcile` is about, opened."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bridge.account import Account, open_account
from bridge.inbound.preparing import prepare
from bridge.ledger.opening import opened as opened_ledger
from bridge.settings import load_settings


@contextmanager
def opened(config: Path, name: str | None) -> Iterator[Account]:
    """Open the account of this name, or the only one; raises SettingsError where it is not clear.

    A ledger that was restored from a backup remembers first what it has forgotten.
    """
    settings = load_settings(config)
    own = settings.chosen(name)
    with opened_ledger(settings.data_dir) as ledger:
        account = open_account(settings, own, ledger)
        with closing(account.client):
            prepare(account)
            yield account
