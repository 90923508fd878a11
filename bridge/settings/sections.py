"""The tables of the settings that hold for all accounts."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from bridge.settings.values import (
    Address,
    AddressOrEmpty,
    Bytes,
    BytesOrZero,
    OptionalPath,
    Port,
    Seconds,
    SecondsOrOff,
    SecondsOrZero,
    Section,
    Text,
    is_loopback,
    wrong,
)


class HubSettings(Section):
    """Where the hub is and how it is called."""

    base_url: str = "https://efact-pre.aoc.cat/rcf"
    token_lifetime: Annotated[Seconds, Field(le=300)] = 60
    timeout: Seconds = 30
    max_connections: Annotated[int, Field(ge=1, le=64)] = 8

    @field_validator("base_url")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("an address like https://efact.aoc.cat/rcf is wanted")
        if parts.username is not None or "?" in value or "#" in value:
            raise ValueError("no user, password, ? or # belongs into this address")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("http:// is only allowed on loopback; use https://")
        return value.rstrip("/")


class PullSettings(Section):
    """How invoices are fetched."""

    interval: Seconds = 60
    receipts: bool = True


class PushSettings(Section):
    """How state files are taken and sent."""

    retry_initial: Seconds = 5
    retry_max: Seconds = 3600
    settle: SecondsOrZero = 2
    temporary: tuple[Text, ...] = ("*.filepart", "*.part", "*.tmp", "*.temp", ".*", "~*")
    default_reason: Text = "Factura rebutjada sense indicar-ne el motiu"


class SftpSettings(Section):
    """The SFTP door."""

    enabled: bool = True
    host: Address = "127.0.0.1"
    port: Port = 2222
    legacy_algorithms: bool = False


class FtpSettings(Section):
    """The FTP door."""

    enabled: bool = True
    host: Address = "127.0.0.1"
    port: Port = 2121
    tls: Literal["off", "optional", "required"] = "off"
    min_tls: Literal["1.0", "1.1", "1.2", "1.3"] = "1.2"
    allow_plaintext: bool = False
    certificate: OptionalPath = None
    private_key: OptionalPath = None
    masquerade_address: AddressOrEmpty = ""
    passive_ports: str = "60000-60099"

    @field_validator("passive_ports")
    @classmethod
    def _is_range(cls, value: str) -> str:
        match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", value, re.ASCII)
        if match is None or not 0 < int(match[1]) <= int(match[2]) <= 65535:  # noqa: PLR2004  (the last port)
            raise ValueError('a range of ports like "60000-60099" is wanted')
        return value

    @property
    def old_tls(self) -> bool:
        """Whether versions of TLS are let in that are no longer considered safe."""
        return self.min_tls in {"1.0", "1.1"}

    @property
    def passive_range(self) -> range:
        """The ports of passive data connections."""
        low, high = self.passive_ports.split("-")
        return range(int(low), int(high) + 1)

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if not self.enabled:
            return self
        if self.tls != "off":
            for key in ("certificate", "private_key"):
                if getattr(self, key) is None:
                    raise wrong(f'tls = "{self.tls}" needs this PEM file', key)
        open_door = self.tls != "required" and not is_loopback(self.host)
        if open_door and not self.allow_plaintext:
            raise wrong(
                "passwords and invoices would cross the network in the clear: listen on "
                '127.0.0.1, set tls = "required", or accept the risk with allow_plaintext = true',
                "host",
            )
        return self


class LoginSettings(Section):
    """Logging in, at both doors together."""

    max_failures: Annotated[int, Field(ge=1)] = 5
    window: Seconds = 600
    ban: Seconds = 1800
    grace: Seconds = 30
    max_sessions: Annotated[int, Field(ge=1)] = 50
    max_sessions_per_address: Annotated[int, Field(ge=1)] = 200


class UploadSettings(Section):
    """What clients may leave in `statin`, `in` and `adjin`, at both doors together."""

    max_size: Bytes = 256_000_000
    max_files: Annotated[int, Field(ge=1)] = 100_000
    quota: Bytes = 2_000_000_000
    min_free: BytesOrZero = 100_000_000
    cut_off: Bytes = 500_000_000


class WebSettings(Section):
    """The status page, metrics and health."""

    enabled: bool = True
    host: Address = "127.0.0.1"
    port: Port = 8025


class AlertSettings(Section):
    """When something is worth a look."""

    uncollected_after: Seconds = 12 * 3600
    client_silent_after: SecondsOrOff = 7 * 86400


Blocker = Literal[
    "unreadable",
    "duplicate",
    "only-legacy",
    "only-rest",
    "different",
    "attachments",
    "registration-number",
    "registration-date",
    "receipt",
    "state-mismatch",
    "capped-slice",
    "recording-gap",
    "entity-not-seen",
    "state-not-seen",
]
"""What can stand in the way of `ready`."""


class ReconcileSettings(Section):
    """What a report asks for before it says ready."""

    grace: Seconds = 24 * 3600
    min_invoices: Annotated[int, Field(ge=0)] = 1
    min_days: Annotated[float, Field(ge=0)] = 0
    max_gap: Seconds = 3600
    blockers: tuple[Blocker, ...] = (
        "unreadable",
        "duplicate",
        "only-legacy",
        "only-rest",
        "different",
        "attachments",
        "registration-number",
        "state-mismatch",
        "capped-slice",
        "recording-gap",
    )
