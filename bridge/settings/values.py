"""The kinds of values that settings have."""

import base64
import binascii
import ipaddress
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


def is_loopback(host: str) -> bool:
    """Tell whether an address or host name can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> object:
    """Turn seconds (`60`, `0.5`) or a text with a unit (`"90s"`, `"12h"`) into seconds.

    Raises ValueError for anything else, and for negative durations.
    """
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", value.strip(), re.ASCII)
        if match is not None:
            value = float(match[1]) * _UNITS[match[2]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(  # noqa: TRY004  (pydantic reports ValueError only)
            'a duration is a number of seconds or a text like "90s", "30m", "7d"'
        )
    return float(value)


_BYTES = {"kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4}


def parse_size(value: object) -> object:
    """Turn bytes (`5000`) or a text with a unit (`"256MB"`, `"2 GB"`) into bytes.

    Raises ValueError for anything else.
    """
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]b)", value.strip().lower(), re.ASCII)
        if match is not None:
            return int(float(match[1]) * _BYTES[match[2]])
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(  # noqa: TRY004  (pydantic reports ValueError only)
            'a size is a number of bytes or a text like "500kB", "256MB", "2GB"'
        )
    return value


MOST_DAYS = 36500
"""A hundred years; whoever wants more keeps for ever."""


def parse_keeping(value: object) -> object:
    """Turn a duration into seconds, and "for ever" into None; raises ValueError."""
    if isinstance(value, str) and " ".join(value.split()).lower() == "for ever":
        return None
    try:
        return parse_duration(value)
    except ValueError:
        raise ValueError('how long: a text like "3650d", or "for ever"') from None


def parse_alert(value: object) -> object:
    """Turn a duration into seconds, and "off" into None; raises ValueError."""
    if isinstance(value, str) and value.strip().lower() == "off":
        return None
    try:
        return parse_duration(value)
    except ValueError:
        raise ValueError('how long: a text like "7d", or "off"') from None


def wrong(message: str, *keys: str | int) -> PydanticCustomError:
    """Return the error to raise where values do not fit together; `keys` lead to the offender."""
    return PydanticCustomError("rule", "{message}", {"message": message, "keys": keys})


def is_public_key(line: str) -> bool:
    """Tell whether a text has the form of an SSH public key: `ssh-ed25519 AAAA… comment`."""
    kind, _, rest = line.strip().partition(" ")
    try:
        blob = base64.b64decode(rest.split()[0], validate=True)
    except (binascii.Error, IndexError):
        return False
    return kind in KEY_TYPES and blob[4 : 4 + len(kind)] == kind.encode()


KEY_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
             "ecdsa-sha2-nistp521")  # fmt: skip


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("this must not be empty")
    return value


def _not_empty(value: object) -> object:
    if value == "":
        raise ValueError("this must not be empty")
    return value


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?"
)


def _address(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        numeric = re.fullmatch(r"[\d.]+", value)
        if numeric or not _HOST_NAME.fullmatch(value):
            raise ValueError('an IP address or a host name is wanted, like "127.0.0.1"') from None
    return value


def _address_or_empty(value: str) -> str:
    return _address(value) if value else value


Text = Annotated[str, AfterValidator(_filled)]
Seconds = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, BeforeValidator(parse_duration), Field(ge=0, allow_inf_nan=False)]
Keeping = Annotated[
    Annotated[float, Field(gt=0, le=MOST_DAYS * 86400, allow_inf_nan=False)] | None,
    BeforeValidator(parse_keeping),
]
SecondsOrOff = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False)] | None, BeforeValidator(parse_alert)
]
Bytes = Annotated[int, BeforeValidator(parse_size), Field(ge=1)]
BytesOrZero = Annotated[int, BeforeValidator(parse_size), Field(ge=0)]
Port = Annotated[int, Field(ge=0, le=65535)]
Address = Annotated[str, AfterValidator(_address)]
AddressOrEmpty = Annotated[str, AfterValidator(_address_or_empty)]
Folder = Annotated[Path, BeforeValidator(_not_empty)]
OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Section(BaseModel):
    """A table of the settings file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
