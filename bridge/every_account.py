"""Every account in turn, for commands that do one round of each and end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bridge.account import Account, open_account
from bridge.errors import BridgeError
from bridge.ledger import Ledger
from bridge.ledger.opening import opened
from bridge.settings import Settings, load_settings
from bridge.upkeep.repair import put_right


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRound:
    """What one round of one account came to."""

    account: str
    said: str = ""
    troubles: tuple[str, ...] = ()
    error: BridgeError | None = None


def each(
    config: Path, do: Callable[[Account], AccountRound], *, only: str | None = None
) -> Iterator[AccountRound]:
    """Do something with every account, or only one; one that cannot leaves the others their turn.

    Raises SettingsError where no account has that name.
    """
    settings = load_settings(config)
    if only is not None:
        settings.chosen(only)
    with opened(settings.data_dir) as ledger:
        for name, account in put_right_all(settings, ledger).items():
            if only not in (None, name):
                continue
            if isinstance(account, BridgeError):
                yield AccountRound(account=name, error=account)
                continue
            try:
                yield do(account)
            except BridgeError as error:
                yield AccountRound(account=name, error=error)


def put_right_all(settings: Settings, ledger: Ledger) -> dict[str, Account | BridgeError]:
    """Open all accounts and put them right before the first does anything.

    A restored ledger must have remembered everything before new rows take the old ones' numbers.
    """
    accounts: dict[str, Account | BridgeError] = {}
    for own in settings.account:
        try:
            account = open_account(settings, own, ledger)
            put_right(account)
            accounts[own.name] = account
        except BridgeError as error:
            accounts[own.name] = error
    return accounts
