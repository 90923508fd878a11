"""What `--legacy` names: a folder of old files, or the address of an old mailbox."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from bridge.errors import SettingsError
from bridge.settings import AccountSettings, LegacySettings

_REMOTE = frozenset({"sftp", "ftp", "ftps"})


def folder_of(source: str) -> Path | None:
    """Return the folder that `--legacy` names; None where it is the address of a server."""
    parts = urlsplit(source)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme in _REMOTE and "://" in source else Path(source)


def mailbox_of(source: str, own: AccountSettings) -> LegacySettings:
    """Return how to reach an address: with the key and the password that the settings have for it.

    Raises SettingsError for a wrong address, and where the settings know nothing of that server.
    """
    known = own.legacy
    if known is not None and _server(known.url) == _server(source):
        return known.model_copy(update={"url": source})
    try:
        return LegacySettings(url=source)
    except ValidationError as error:
        said = "; ".join(str(each["msg"]) for each in error.errors())
        raise SettingsError(
            f"--legacy {shown(source)}: {said}. Password and host key of a server are "
            "taken from [account.legacy] of the settings: enter it there"
        ) from None


def _server(url: str) -> tuple[str | None, ...]:
    parts = urlsplit(url)
    return (parts.scheme, parts.hostname, str(parts.port), parts.username)


def shown(url: str) -> str:
    """Return what `--legacy` names, without a password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return f"{parts.scheme}://{parts.username}:…@{parts.hostname}{parts.path}"
