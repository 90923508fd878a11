"""The settings of one account: its issuer and secret, its mailbox, its users, its feeds."""

import ipaddress
import os
import re
import stat
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from bridge.errors import SettingsError
from bridge.settings.values import (
    KEY_TYPES,
    Name,
    OptionalPath,
    Section,
    Text,
    is_public_key,
    wrong,
)


class LegacySettings(Section):
    """The old endpoint of an account."""

    url: str
    password_file: OptionalPath = None
    host_key: str = ""
    certificate: str = ""

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        known = parts.scheme in ("sftp", "ftp", "ftps") and parts.hostname and parts.port != 0
        is_folder = parts.scheme == "file" and parts.netloc in ("", "localhost")
        if not known and not (is_folder and parts.path.startswith("/")):
            raise ValueError("sftp://user@host/, ftp://, ftps:// or file:///folder is wanted")
        if parts.password is not None:
            raise ValueError('no password belongs into this address: use "password_file"')
        return value

    @field_validator("host_key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        if value and not value.startswith("SHA256:") and not is_public_key(value):
            raise ValueError('a public key ("ssh-ed25519 AAAA…") or "SHA256:…" is wanted')
        return value

    @field_validator("certificate")
    @classmethod
    def _is_fingerprint(cls, value: str) -> str:
        if value and not re.fullmatch(r"SHA256:(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}", value):
            raise ValueError('a fingerprint is wanted: "SHA256:" and 64 hexadecimal digits')
        return value

    @model_validator(mode="after")
    def _known_host(self) -> Self:
        scheme = urlsplit(self.url).scheme
        if scheme == "sftp" and not self.host_key:
            raise wrong("an sftp:// address needs the server's public key here", "host_key")
        if self.certificate and scheme != "ftps":
            raise wrong("only an ftps:// address has a certificate", "certificate")
        return self


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError(
            'an address or a network is wanted, like "10.1.2.3" or "10.1.0.0/16"'
        ) from None
    return value


def _public_key(value: str) -> str:
    if not is_public_key(value):
        raise ValueError(
            "no public key: a whole line of an authorized_keys file is wanted, which begins with "
            f"one of {', '.join(KEY_TYPES)} (no options in front)"
        )
    return value


class UserSettings(Section):
    """Someone who may log in to the mailbox."""

    name: Name
    password_hash: str = Field(default="", repr=False)
    authorized_keys: tuple[Annotated[str, AfterValidator(_public_key)], ...] = ()
    allow_from: tuple[Annotated[str, AfterValidator(_network)], ...] = ("127.0.0.0/8",)

    @field_validator("password_hash")
    @classmethod
    def _is_hash(cls, value: str) -> str:
        try:
            if value:
                extract_parameters(value)
        except InvalidHashError:
            raise ValueError(
                "no argon2 hash: put here what `efact-bridge hash-password` prints"
            ) from None
        return value

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        if not self.password_hash and not self.authorized_keys:
            raise wrong('a user needs "password_hash" or "authorized_keys"')
        return self


class AccountSettings(Section):
    """One platform at the hub: its issuer and secret, its mailbox, its users, its feeds."""

    name: Name
    issuer: Text
    secret_file: OptionalPath = None
    secret_env: str = ""
    serve: Literal["rest", "legacy"] = "rest"
    shadow: Literal["", "legacy", "rest"] = ""
    acknowledge: Literal["stored", "collected", "never"] = "collected"
    nifs: tuple[Text, ...] = ()
    oficines_comptables: tuple[Text, ...] = ()
    receiver_code: str = ""
    profile: Text = "efact"
    legacy: LegacySettings | None = None
    user: tuple[UserSettings, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.secret_file and self.secret_env:
            raise wrong('give "secret_file" or "secret_env", not both', "secret_env")
        if not self.secret_file and not self.secret_env:
            raise wrong(
                'the secret key is missing: give its file here, or "secret_env"', "secret_file"
            )
        if self.shadow == self.serve:
            raise wrong('this names the other feed than "serve", or is empty', "shadow")
        if "legacy" in (self.serve, self.shadow) and self.legacy is None:
            key = "serve" if self.serve == "legacy" else "shadow"
            raise wrong("the legacy feed needs an [account.legacy] table with its url", key)
        return self

    def read_secret(self) -> SecretStr:
        """Return the account's secret key, without the white space around it.

        Raises SettingsError when it is missing, empty, or in a file that others can read.
        """
        if self.secret_env:
            secret = os.environ.get(self.secret_env, "").strip()
            where = f"environment variable {self.secret_env}"
        else:
            assert self.secret_file is not None
            secret = read_secret_file(self.secret_file)
            where = str(self.secret_file)
        if not secret:
            raise SettingsError(
                f"the secret is empty: put the key that the AOC gave you into {where}"
            )
        return SecretStr(secret)


def read_secret_file(path: Path) -> str:
    """Return the text of a secret file, stripped; raises SettingsError if others can read it."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(
            f"{path}: the secret cannot be read: {reason}: put it there, alone, in a file that "
            "belongs to whoever runs this, mode 600"
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"{path}: others can read this secret: run `chmod 600 {path}`")
    return text.strip()
