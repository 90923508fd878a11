"""All settings together, and what must fit between their tables."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from bridge.errors import SettingsError
from bridge.settings.accounts import AccountSettings
from bridge.settings.sections import (
    AlertSettings,
    FtpSettings,
    HubSettings,
    LoginSettings,
    PullSettings,
    PushSettings,
    ReconcileSettings,
    SftpSettings,
    UploadSettings,
    WebSettings,
)
from bridge.settings.values import Folder, Keeping, Section, wrong


class Settings(Section):
    """Everything an operator can set."""

    data_dir: Folder = Path("data")
    keep_archive: Keeping = None
    hub: HubSettings = HubSettings()
    pull: PullSettings = PullSettings()
    push: PushSettings = PushSettings()
    sftp: SftpSettings = SftpSettings()
    ftp: FtpSettings = FtpSettings()
    login: LoginSettings = LoginSettings()
    uploads: UploadSettings = UploadSettings()
    web: WebSettings = WebSettings()
    alerts: AlertSettings = AlertSettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    account: Annotated[tuple[AccountSettings, ...], Field(min_length=1)]

    def chosen(self, name: str | None) -> AccountSettings:
        """Return the account of this name, without one the only account; else a SettingsError."""
        names = ", ".join(own.name for own in self.account)
        chosen = [own for own in self.account if name in (None, own.name)]
        if len(chosen) == 1:
            return chosen[0]
        if name is None:
            raise SettingsError(f"say which account is meant: --account NAME, one of {names}")
        raise SettingsError(
            f"--account {name}: there is no such account; the settings have {names}"
        )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        accounts = (
            # Names of folders: some disks do not tell A from a.
            (account.name.lower(), ("account", place, "name"))
            for place, account in enumerate(self.account)
        )
        if offender := _repeated(accounts):
            raise wrong("two accounts have the same name", *offender)
        users = (
            (user.name, ("account", place, "user", number, "name"))
            for place, account in enumerate(self.account)
            for number, user in enumerate(account.user)
        )
        if offender := _repeated(users):
            raise wrong(
                "two users have the same name: the name decides whose mailbox it is", *offender
            )
        self._ports_differ()
        return self

    def _ports_differ(self) -> None:
        listeners: dict[str, SftpSettings | FtpSettings | WebSettings] = {
            "sftp": self.sftp,
            "ftp": self.ftp,
            "web": self.web,
        }
        enabled = [(name, each) for name, each in listeners.items() if each.enabled and each.port]
        for (first, one), (second, other) in combinations(enabled, 2):
            if one.port == other.port and _overlap(one.host, other.host):
                raise wrong(f"{first} listens on port {one.port} already", second, "port")


_Keys = tuple[str | int, ...]


def _repeated(names: Iterator[tuple[str, _Keys]]) -> _Keys | None:
    """Return the way to the first name that was there before."""
    seen = set()
    for name, keys in names:
        if name in seen:
            return keys
        seen.add(name)
    return None


def _overlap(one: str, other: str) -> bool:
    """Tell whether two addresses to listen on cannot share a port."""
    first, second = ("127.0.0.1" if host == "localhost" else host for host in (one, other))
    return first == second or "0.0.0.0" in (first, second)  # noqa: S104  (compared, not bound)
