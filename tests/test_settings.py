"""The settings file: what is taken, what is refused, and how well the refusal is said."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from bridge.errors import SettingsError
from bridge.settings import AccountSettings, Settings, line_of, load_settings
from bridge.translate import DEFAULT_REASON
from tests.door_rig import PASSWORD_HASH, user_key

ACCOUNT = """
[[account]]
name = "town"
issuer = "hub_1"
secret_file = "town.secret"
"""

USER = f"""
[[account.user]]
name = "rcf"
password_hash = "{PASSWORD_HASH}"
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EFACT_BRIDGE__")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "efact-bridge.toml"


def load(file: Path, text: str) -> Settings:
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def refusals(file: Path, text: str) -> list[str]:
    """The lines of the error, each without the file's path in front."""
    with pytest.raises(SettingsError) as caught:
        load(file, text)
    return [line.removeprefix(f"{file}, ") for line in str(caught.value).splitlines()]


def refusal(file: Path, text: str) -> str:
    (line,) = refusals(file, text)
    assert "Input should" not in line
    assert "<class" not in line
    return line


def test_an_account_is_all_that_is_needed(file: Path) -> None:
    settings = load(file, ACCOUNT)
    assert settings.account[0].acknowledge == "collected"
    assert settings.hub.timeout == 30


def test_the_reason_of_a_rejection_without_one_is_the_rules_own(file: Path) -> None:
    assert load(file, ACCOUNT).push.default_reason == DEFAULT_REASON


def test_a_file_from_notepad_is_taken(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + ACCOUNT.replace("\n", "\r\n").encode())
    assert load_settings(file).account[0].name == "town"


def test_a_file_that_is_no_utf8_is_refused(file: Path) -> None:
    file.write_bytes(ACCOUNT.encode("utf-16"))
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings(file)


def test_paths_start_at_the_files_folder(file: Path) -> None:
    (file.parent / "own.toml").write_text("")
    text = 'data_dir = "here"\n[ftp]\ncertificate = "c"\nprivate_key = "/k"\n'
    settings = load(file, text + ACCOUNT + 'profile = "own.toml"\n')
    folder = file.parent
    assert settings.data_dir == folder / "here"
    assert settings.ftp.certificate == folder / "c"
    assert settings.ftp.private_key == Path("/k")
    assert settings.account[0].secret_file == folder / "town.secret"
    assert settings.account[0].profile == str(folder / "own.toml")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("60", 60), ("0.5", 0.5), ('"90s"', 90), ('"30m"', 1800), ('"12h"', 43200), ('"7d"', 604800)],
)
def test_a_duration_is_seconds_or_has_a_unit(file: Path, written: str, seconds: float) -> None:
    assert load(file, f"[hub]\ntimeout = {written}\n{ACCOUNT}").hub.timeout == seconds


def test_the_archive_is_kept_for_ever_or_for_a_time(file: Path) -> None:
    assert load(file, ACCOUNT).keep_archive is None
    assert load(file, f'keep_archive = "for ever"\n{ACCOUNT}').keep_archive is None
    assert load(file, f'keep_archive = "3650d"\n{ACCOUNT}').keep_archive == 3650 * 86400


@pytest.mark.parametrize("written", ["0", '"never"', '"10y"', '""', "true", '"40000d"'])
def test_how_long_the_archive_is_kept_must_be_a_time(file: Path, written: str) -> None:
    said = refusal(file, f"keep_archive = {written}\n{ACCOUNT}")
    assert said.startswith("line 1: keep_archive: ")


@pytest.mark.parametrize(
    "written", ['"30"', '"soon"', '""', "true", "-1", "0", "inf", "nan", "[]", "2026-01-01"]
)
def test_what_is_no_duration_is_refused(file: Path, written: str) -> None:
    line = refusal(file, f"[hub]\ntimeout = {written}\n{ACCOUNT}")
    assert line.startswith("line 2: hub.timeout: ")


def test_only_settle_may_be_zero(file: Path) -> None:
    assert load(file, f"[push]\nsettle = 0\n{ACCOUNT}").push.settle == 0
    assert "push.retry_max" in refusal(file, f"[push]\nretry_max = 0\n{ACCOUNT}")
    assert "push.settle" in refusal(file, f"[push]\nsettle = -1\n{ACCOUNT}")


WRONG = [
    ("hub", "max_connections", "true"),
    ("hub", "max_connections", '"8"'),
    ("hub", "max_connections", "2.0"),
    ("hub", "max_connections", "65"),
    ("hub", "token_lifetime", "301"),
    ("hub", "base_url", '"http://efact.aoc.cat/rcf"'),
    ("hub", "base_url", '"efact.aoc.cat/rcf"'),
    ("hub", "base_url", '"https://me:pass@efact.aoc.cat/rcf"'),
    ("hub", "base_url", '"https://efact.aoc.cat/rcf?x=1"'),
    ("hub", "base_url", '"https://efact.aoc.cat/rcf#x"'),
    ("hub", "base_url", '"https://efact.aoc.cat:99999/rcf"'),
    ("pull", "receipts", '"no"'),
    ("pull", "receipts", "1"),
    ("push", "temporary", '"*.tmp"'),
    ("push", "temporary", "[1]"),
    ("sftp", "enabled", '"yes"'),
    ("sftp", "enabled", "1"),
    ("sftp", "port", '"2222"'),
    ("sftp", "port", "65536"),
    ("sftp", "host", '""'),
    ("ftp", "tls", '"on"'),
    ("ftp", "passive_ports", '"60000"'),
    ("ftp", "passive_ports", '"60099-60000"'),
    ("ftp", "masquerade_address", '"not an address"'),
    ("ftp", "masquerade_address", '"300.1.1.1"'),
    ("ftp", "host", '"0.0.0.0"'),
    ("login", "max_failures", "0"),
    ("web", "host", "127"),
    ("reconcile", "min_days", "-1"),
]


@pytest.mark.parametrize(("table", "key", "value"), WRONG)
def test_a_wrong_value_is_one_line_with_key_and_line(
    file: Path, table: str, key: str, value: str
) -> None:
    line = refusal(file, f"[{table}]\n# a comment\n{key} = {value}\n{ACCOUNT}")
    assert line.startswith(f"line 3: {table}.{key}")


WRONG_IN_ACCOUNT = [
    ("name", '"the town hall"'),
    ("name", '""'),
    ("issuer", '" "'),
    ("serve", '"ftp"'),
    ("shadow", '"rest"'),
    ("shadow", '"legacy"'),
    ("serve", '"legacy"'),
    ("secret_env", '"TOWN_SECRET"'),
    ("nifs", '[""]'),
    ("nifs", '"P0800000A"'),
    ("oficines_comptables", '["L01", " "]'),
    ("profile", '"nope"'),
    ("profile", '"missing.toml"'),
    ("profile", '""'),
]


@pytest.mark.parametrize(("key", "value"), WRONG_IN_ACCOUNT)
def test_a_wrong_value_in_an_account_is_one_line_too(file: Path, key: str, value: str) -> None:
    own = "\n".join(line for line in ACCOUNT.splitlines() if not line.startswith(f"{key} ="))
    line = refusal(file, f"{own}\n{key} = {value}\n")
    assert line.startswith(f"line {own.count(chr(10)) + 2}: account[1].{key}")


WRONG_IN_USER = [
    ("password_hash", '"secret"'),
    ("password_hash", '"$argon2id$…"'),
    ("authorized_keys", '["ssh-ed25519 AAAA"]'),
    ("authorized_keys", '["ssh-dss AAAAB3NzaC1kc3M="]'),
    ("authorized_keys", '["id_ed25519.pub"]'),
    ("allow_from", '["the office"]'),
]


@pytest.mark.parametrize(("key", "value"), WRONG_IN_USER)
def test_a_wrong_value_of_a_user_is_one_line_too(file: Path, key: str, value: str) -> None:
    user = "\n".join(line for line in USER.splitlines() if not line.startswith(f"{key} ="))
    text = f"{ACCOUNT}{user}\n{key} = {value}\n"
    line = refusal(file, text)
    assert line.startswith(f"line {text.count(chr(10))}: account[1].user[1].{key}")


def test_no_refusal_repeats_a_password(file: Path) -> None:
    user = USER.replace(PASSWORD_HASH, "hunter2")
    assert "hunter2" not in refusal(file, ACCOUNT + user)
    assert "hunter2" not in refusal(file, f'[hub]\nbase_url = "https://a:hunter2@h/"\n{ACCOUNT}')


def test_a_user_needs_a_way_to_log_in(file: Path) -> None:
    line = refusal(file, f'{ACCOUNT}[[account.user]]\nname = "rcf"\n')
    assert line.startswith("line 6: account[1].user[1]: ")


def test_a_key_alone_is_enough(file: Path) -> None:
    user = f'[[account.user]]\nname = "rcf"\nauthorized_keys = ["{user_key()[1]}"]\n'
    assert load(file, ACCOUNT + user).account[0].user[0].password_hash == ""


def test_every_wrong_setting_is_said_at_once(file: Path) -> None:
    text = f'[hub]\ntimeout = "soon"\n[web]\nport = "x"\n[[acount]]\n{ACCOUNT}issuer2 = ""\n'
    lines = refusals(file, text)
    assert [line.split(": ")[1] for line in lines] == [
        "hub.timeout",
        "web.port",
        "acount",
        "account[1].issuer2",
    ]


def test_no_account_is_said_in_words(file: Path) -> None:
    for text in ("", "account = []\n"):
        assert "write [[account]]" in refusals(file, text)[0]


def test_one_bracket_too_few_is_said_so(file: Path) -> None:
    line = refusal(file, ACCOUNT.replace("[[account]]", "[account]"))
    assert line == "line 2: account: write [[account]], with two brackets"
    line = refusal(file, ACCOUNT + USER.replace("[[account.user]]", "[account.user]"))
    assert line == "line 7: account[1].user: write [[account.user]], with two brackets"


def test_a_value_where_a_table_is_wanted_is_said_so(file: Path) -> None:
    assert refusal(file, f"hub = 3\n{ACCOUNT}") == "line 1: hub: this is a table: write [hub]"


def test_a_choice_is_said_with_all_there_is(file: Path) -> None:
    line = refusal(file, f'{ACCOUNT}acknowledge = "later"\n')
    assert line.endswith('one of these is wanted: "stored", "collected" or "never"')


def test_an_unknown_profile_is_said_with_those_there_are(file: Path) -> None:
    line = refusal(file, f'{ACCOUNT}profile = "nope"\n')
    assert line.startswith("line 6: account[1].profile: ")
    assert line.endswith("shipped: efact")


def test_an_account_without_secret_is_refused(file: Path) -> None:
    line = refusal(file, ACCOUNT.replace("secret_file", "#secret_file"))
    assert line.startswith("line 2: account[1].secret_file: ")


def test_an_empty_data_dir_is_refused(file: Path) -> None:
    assert refusal(file, f'data_dir = ""\n{ACCOUNT}').startswith("line 1: data_dir: ")


def test_two_accounts_of_one_name_are_refused_at_the_second(file: Path) -> None:
    line = refusal(file, ACCOUNT + ACCOUNT.replace('"town"', '"Town"'))
    assert line.startswith("line 8: account[2].name: ")


def test_two_users_of_one_name_are_refused_at_the_second(file: Path) -> None:
    line = refusal(file, ACCOUNT + USER + ACCOUNT.replace('"town"', '"other"') + USER)
    assert line.startswith("line 17: account[2].user[1].name: ")


def test_two_doors_on_one_port_are_refused(file: Path) -> None:
    line = refusal(file, f"[sftp]\nport = 2200\n[ftp]\nport = 2200\n{ACCOUNT}")
    assert line == "line 4: ftp.port: sftp listens on port 2200 already"
    everywhere = f'[sftp]\nhost = "0.0.0.0"\nport = 2200\n[web]\nport = 2200\n{ACCOUNT}'
    assert "web.port" in refusal(file, everywhere)


def test_ports_that_do_not_meet_are_taken(file: Path) -> None:
    load(file, f"[sftp]\nport = 0\n[ftp]\nport = 0\n{ACCOUNT}")
    load(file, f"[sftp]\nport = 2200\nenabled = false\n[ftp]\nport = 2200\n{ACCOUNT}")
    load(file, f'[sftp]\nhost = "127.0.0.2"\nport = 2200\n[ftp]\nport = 2200\n{ACCOUNT}')


def test_tls_needs_both_files(file: Path) -> None:
    text = f'[ftp]\ntls = "required"\ncertificate = "c.pem"\nprivate_key = ""\n{ACCOUNT}'
    assert refusal(file, text).startswith("line 4: ftp.private_key: ")


def test_an_open_door_needs_tls_or_a_yes(file: Path) -> None:
    load(file, f'[ftp]\nhost = "0.0.0.0"\nallow_plaintext = true\n{ACCOUNT}')
    tls = 'tls = "required"\ncertificate = "c"\nprivate_key = "k"'
    load(file, f'[ftp]\nhost = "0.0.0.0"\n{tls}\n{ACCOUNT}')
    load(file, f'[ftp]\nhost = "0.0.0.0"\nenabled = false\n{ACCOUNT}')


@pytest.mark.parametrize(
    ("lines", "offender"),
    [
        ('url = "sftp://u@host:22/"', "host_key"),
        ('url = "sftp://u@host/"\nhost_key = "AAAA"', "host_key"),
        ('url = "ftp://u:secret@host/"', "url"),
        ('url = "https://host/"', "url"),
        ('url = "ftp://"', "url"),
        ('url = "file://archive/old"', "url"),
        ('url = "ftps://host/"\ncertificate = "SHA256:abc"', "certificate"),
        (f'url = "ftp://host/"\ncertificate = "SHA256:{"0a" * 32}"', "certificate"),
        ('url = "ftp://host/"\npasword_file = "x"', "pasword_file"),
    ],
)
def test_a_wrong_old_mailbox_is_refused(file: Path, lines: str, offender: str) -> None:
    text = f'{ACCOUNT}shadow = "legacy"\n[account.legacy]\n{lines}\n'
    assert f": account[1].legacy.{offender}: " in refusal(file, text)


@pytest.mark.parametrize(
    "lines",
    [
        f'url = "sftp://u@host:22/"\nhost_key = "{user_key()[1]}"',
        'url = "sftp://u@host/"\nhost_key = "SHA256:abc"',
        'url = "ftps://host/"\npassword_file = ""',
        f'url = "ftps://host/"\ncertificate = "SHA256:{"0A:" * 31}0A"',
        'url = "file:///srv/old"',
    ],
)
def test_an_old_mailbox_is_taken(file: Path, lines: str) -> None:
    assert load(file, f"{ACCOUNT}[account.legacy]\n{lines}\n").account[0].legacy is not None


def test_quoted_and_dotted_keys_have_lines(file: Path) -> None:
    assert refusal(file, f'["hub"]\n"timeout" = "x"\n{ACCOUNT}').startswith("line 2: hub.timeout")
    assert refusal(file, f'\nhub.timeout = "x"\n{ACCOUNT}').startswith("line 2: hub.timeout")
    assert refusal(file, f'\nhub . "time out" = 3\n{ACCOUNT}').startswith("line 2: hub.time out")
    assert line_of('a = """\n"\\q" = 1\n"""\nb = 2\n', ("b",)) == 4


def test_the_environment_wins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATA_DIR": "/srv/efact",
        "HUB__TIMEOUT": "12.5",
        "HUB__MAX_CONNECTIONS": "4",
        "PULL__INTERVAL": "5m",
        "PULL__RECEIPTS": "false",
        "PUSH__TEMPORARY": '["*.new"]',
        "FTP__TLS": "off",
    }.items():
        monkeypatch.setenv(f"EFACT_BRIDGE__{name}", value)
    settings = load(file, f'data_dir = "d"\n[hub]\ntimeout = 3\ntoken_lifetime = 9\n{ACCOUNT}')
    assert settings.data_dir == Path("/srv/efact")
    assert settings.hub.timeout == 12.5
    assert settings.hub.token_lifetime == 9
    assert settings.hub.max_connections == 4
    assert settings.pull.interval == 300
    assert settings.pull.receipts is False
    assert settings.push.temporary == ("*.new",)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("EFACT_BRIDGE__HUB__TIMEOUT", "soon"),
        ("EFACT_BRIDGE__HUB__TIMEUOT", "3"),
        ("EFACT_BRIDGE__HUB", "3"),
        ("EFACT_BRIDGE__ACCOUNT", "[]"),
        ("EFACT_BRIDGE__DATA_DIR", ""),
        ("EFACT_BRIDGE__FTP__HOST", "0.0.0.0"),
        ("EFACT_BRIDGE__PUSH__TEMPORARY", "*.tmp"),
        ("EFACT_BRIDGE__PUSH__TEMPORARY", '[""]'),
    ],
)
def test_a_wrong_variable_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    line = refusal(file, f"[hub]\ntimeout = 3\n[ftp]\nport = 2121\n{ACCOUNT}")
    assert line.startswith(f"environment variable {variable}: ")


def test_a_variable_can_mend_what_the_file_lacks(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EFACT_BRIDGE__FTP__ALLOW_PLAINTEXT", "true")
    assert load(file, f'[ftp]\nhost = "0.0.0.0"\n{ACCOUNT}').ftp.allow_plaintext


def test_a_secret_comes_from_a_file_or_a_variable(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = load(file, ACCOUNT).account[0]
    secret = file.parent / "town.secret"
    secret.touch(mode=0o600)
    with pytest.raises(SettingsError, match=r"empty.*town\.secret"):
        own.read_secret()
    secret.write_text(" key\n")
    assert own.read_secret() == SecretStr("key")
    monkeypatch.setenv("TOWN_SECRET", "other")
    own = load(file, ACCOUNT.replace('secret_file = "town.secret"', 'secret_env = "TOWN_SECRET"'))
    assert own.account[0].read_secret() == SecretStr("other")


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_secret_that_others_can_read_is_refused(file: Path, mode: int) -> None:
    secret = file.parent / "town.secret"
    secret.write_text("s3cret")
    secret.chmod(mode)
    own = AccountSettings(name="a", issuer="i", secret_file=secret)
    with pytest.raises(SettingsError, match="others can read this secret: run `chmod 600") as error:
        own.read_secret()
    assert "s3cret" not in str(error.value)
