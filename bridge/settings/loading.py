"""Reading `efact-bridge.toml`: whole, or refused whole with the key's name and its line."""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.errors import SettingsError
from bridge.settings.accounts import AccountSettings
from bridge.settings.environment import read_environment
from bridge.settings.problems import Source, explain
from bridge.settings.root import Settings
from bridge.settings.shipped import read_profile


def load_settings(path: Path) -> Settings:
    """Read a settings file; the environment wins over it.

    Raises SettingsError with the key's name and line for whatever is wrong in it.
    """
    text = _read(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: this is not TOML: {error}") from error
    environment = read_environment(Settings, os.environ)
    source = Source(path=path, text=text, environment=environment)
    try:
        # JSON, since only there a strict reading takes a list for a tuple and a text for a path.
        content = json.dumps(_merged(data, environment), default=_no_setting)
        settings = Settings.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise SettingsError(explain(error, source)) from error
    settings = _with_absolute_paths(settings, path.resolve().parent)
    _look_at_profiles(settings, source)
    return settings


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # Windows' editors put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(
            f"{path}: the settings cannot be read: {reason}; `efact-bridge init` writes an example"
        ) from error


def _merged(file: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(file)
    for key, value in environment.items():
        below = merged.get(key, {})
        if not isinstance(value, Mapping):
            merged[key] = value
        elif isinstance(below, Mapping):
            merged[key] = _merged(below, value)
    return merged


def _no_setting(value: object) -> dict[str, str]:
    """Stand for a TOML date or time: no setting is one, so that this is refused everywhere."""
    return {type(value).__name__: str(value)}


def _look_at_profiles(settings: Settings, source: Source) -> None:
    for position, account in enumerate(settings.account):
        try:
            read_profile(account.profile)
        except SettingsError as error:
            where = source.place(("account", position, "profile"))
            raise SettingsError(f"{where}: {error}") from error


def _with_absolute_paths(settings: Settings, base: Path) -> Settings:
    def absolute(path: Path | None) -> Path | None:
        return None if path is None else base / path.expanduser()

    ftp = settings.ftp.model_copy(
        update={
            "certificate": absolute(settings.ftp.certificate),
            "private_key": absolute(settings.ftp.private_key),
        }
    )
    accounts = tuple(_account_with_absolute_paths(account, base) for account in settings.account)
    return settings.model_copy(
        update={"data_dir": absolute(settings.data_dir), "ftp": ftp, "account": accounts}
    )


def _account_with_absolute_paths(account: AccountSettings, base: Path) -> AccountSettings:
    changes: dict[str, object] = {}
    if account.secret_file is not None:
        changes["secret_file"] = base / account.secret_file.expanduser()
    if account.profile.endswith(".toml"):
        changes["profile"] = str(base / Path(account.profile).expanduser())
    if account.legacy is not None and account.legacy.password_file is not None:
        password_file = base / account.legacy.password_file.expanduser()
        changes["legacy"] = account.legacy.model_copy(update={"password_file": password_file})
    return account.model_copy(update=changes)
