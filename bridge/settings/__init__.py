"""The settings: `efact-bridge.toml`, typed, with every relative path made absolute.

A file is read whole or refused whole: an unknown key or a wrong value is a `SettingsError` that
names the key and its line. Values outside the list of accounts can come from the environment
(`EFACT_BRIDGE__HUB__BASE_URL`), which wins over the file.

root, sections, accounts   what can be set, with the defaults
values                     what kinds of values there are: durations, ports, names
loading, environment       reading a file and the environment
problems, lines            saying what is wrong, and where
shipped                    the example settings and the naming profiles
"""

from bridge.settings.accounts import (
    AccountSettings,
    LegacySettings,
    UserSettings,
    read_secret_file,
)
from bridge.settings.lines import line_of
from bridge.settings.loading import load_settings
from bridge.settings.root import Settings
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
from bridge.settings.shipped import config_folder, read_profile
from bridge.settings.values import Section, is_loopback, parse_duration

__all__ = [
    "AccountSettings",
    "AlertSettings",
    "FtpSettings",
    "HubSettings",
    "LegacySettings",
    "LoginSettings",
    "PullSettings",
    "PushSettings",
    "ReconcileSettings",
    "Section",
    "Settings",
    "SftpSettings",
    "UploadSettings",
    "UserSettings",
    "WebSettings",
    "config_folder",
    "is_loopback",
    "line_of",
    "load_settings",
    "parse_duration",
    "read_profile",
    "read_secret_file",
]
