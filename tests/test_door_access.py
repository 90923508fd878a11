"""Who may come in: passwords, keys, addresses, bans and the number of sessions."""

import ftplib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import argon2
import paramiko
import pytest

from bridge.facade.access import (
    MOST_SESSIONS,
    Access,
    Reason,
    Refused,
    origin_of,
    public_key,
)
from bridge.facade.bans import MOST_SUBJECTS, Bans
from bridge.facade.events import Ban, Session
from bridge.settings import AccountSettings, LoginSettings, UserSettings
from tests.door_clients import FtplibClient, ParamikoClient
from tests.door_rig import PASSWORD, PASSWORD_HASH, USER, Rig, open_doors, user_key

HOME, ELSEWHERE = "10.1.2.3", "192.0.2.7"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(clock: Clock) -> Access:
    user = UserSettings(
        name=USER,
        password_hash=PASSWORD_HASH,
        authorized_keys=(user_key()[1] + " comment",),
        allow_from=("10.0.0.0/8",),
    )
    account = AccountSettings(name="town", issuer="hub_1", secret_env="NONE", user=(user,))
    login = LoginSettings(max_failures=3, window=600, ban=1800, max_sessions=2)
    return Access([account], login, clock=clock)


def try_password(access: Access, password: str, **changes: str) -> Session | Refused:
    who = {"user": USER, "address": HOME, "protocol": "sftp"} | changes
    return access.with_password(password=password.encode(), **who)


def ban(access: Access, **changes: str) -> None:
    for _ in range(3):
        assert isinstance(try_password(access, "wrong", **changes), Refused)


def test_the_right_password_leads_to_the_users_account(access: Access) -> None:
    session = try_password(access, PASSWORD)
    assert session == Session(user=USER, account="town", address=HOME, protocol="sftp")


def test_a_right_password_is_right_again_and_a_wrong_one_still_wrong(access: Access) -> None:
    assert isinstance(try_password(access, PASSWORD), Session)
    assert isinstance(try_password(access, PASSWORD), Session)
    assert try_password(access, "wrong") == Refused(Reason.PASSWORD)


def test_an_unknown_user_is_refused(access: Access) -> None:
    assert try_password(access, PASSWORD, user="nobody") == Refused(Reason.UNKNOWN_USER)


def test_a_user_from_an_address_that_is_not_allowed_is_refused(access: Access) -> None:
    assert try_password(access, PASSWORD, address=ELSEWHERE) == Refused(Reason.ADDRESS)


def test_an_ipv4_address_that_came_over_ipv6_is_the_same_address(access: Access) -> None:
    assert isinstance(try_password(access, PASSWORD, address=f"::ffff:{HOME}"), Session)


def test_an_empty_hash_fits_no_password() -> None:
    user = UserSettings(name=USER, authorized_keys=(user_key()[1],))
    account = AccountSettings(name="town", issuer="hub_1", secret_env="NONE", user=(user,))
    access = Access([account], LoginSettings())
    decision = access.with_password(USER, b"", address="127.0.0.1", protocol="ftp")
    assert decision == Refused(Reason.PASSWORD)


def test_a_password_in_latin_1_fits_the_hash_of_its_text() -> None:
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    user = UserSettings(name=USER, password_hash=hasher.hash("contrasenyà"))
    account = AccountSettings(name="town", issuer="hub_1", secret_env="NONE", user=(user,))
    access = Access([account], LoginSettings())
    old = "contrasenyà".encode("latin-1")
    assert isinstance(access.with_password(USER, old, address="127.0.0.1", protocol="ftp"), Session)


def test_an_authorized_key_leads_to_the_users_account(access: Access) -> None:
    blob = public_key(user_key()[1])
    assert isinstance(access.with_key(USER, blob, address=HOME, protocol="sftp"), Session)
    other = paramiko.RSAKey.generate(2048).asbytes()
    refused = access.with_key(USER, other, address=HOME, protocol="sftp")
    assert refused == Refused(Reason.KEY)


def test_too_many_failures_from_an_address_ban_it_whoever_it_says_it_is(access: Access) -> None:
    ban(access, user="nobody")
    assert try_password(access, PASSWORD) == Refused(Reason.BANNED)
    assert isinstance(try_password(access, PASSWORD, address="10.9.9.9"), Session)


def test_too_many_failures_of_a_user_ban_the_user_wherever_it_comes_from(access: Access) -> None:
    for last in range(3):
        try_password(access, "wrong", address=f"10.0.0.{last}")
    assert try_password(access, PASSWORD) == Refused(Reason.BANNED)


def test_a_stranger_elsewhere_cannot_ban_a_user(access: Access) -> None:
    ban(access, address=ELSEWHERE)
    assert isinstance(try_password(access, PASSWORD), Session)


def test_a_ban_covers_keys_and_the_other_door(access: Access) -> None:
    ban(access, protocol="ftp")
    blob = public_key(user_key()[1])
    refused = access.with_key(USER, blob, address=HOME, protocol="sftp")
    assert refused == Refused(Reason.BANNED)


def test_a_ban_ends(access: Access, clock: Clock) -> None:
    ban(access)
    clock.now += 1799
    assert try_password(access, PASSWORD) == Refused(Reason.BANNED)
    clock.now += 1
    assert isinstance(try_password(access, PASSWORD), Session)


def test_tries_during_a_ban_do_not_prolong_it(access: Access, clock: Clock) -> None:
    ban(access)
    clock.now += 1700
    ban(access)
    clock.now += 100
    assert isinstance(try_password(access, PASSWORD), Session)


def test_failures_outside_the_window_do_not_count(access: Access, clock: Clock) -> None:
    for _ in range(5):
        try_password(access, "wrong")
        clock.now += 301
    assert isinstance(try_password(access, PASSWORD), Session)


def test_sessions_of_a_user_are_limited_and_counted_out(access: Access) -> None:
    session = try_password(access, PASSWORD)
    assert isinstance(session, Session)
    assert [access.enter(session) for _ in range(3)] == [True, True, False]
    access.leave(session)
    assert access.enter(session)


def test_sessions_of_all_users_are_limited(access: Access) -> None:
    sessions = [
        Session(user=f"user{number}", account="town", address=HOME, protocol="ftp")
        for number in range(MOST_SESSIONS + 1)
    ]
    assert [access.enter(session) for session in sessions] == [True] * MOST_SESSIONS + [False]


def test_sessions_from_an_address_are_limited_whoever_they_are() -> None:
    access = Access([], LoginSettings(max_sessions_per_address=2))
    one, two, three, other = (
        Session(user=user, account="town", address=address, protocol="ftp")
        for user, address in (("a", HOME), ("b", HOME), ("c", HOME), ("c", ELSEWHERE))
    )
    assert [access.enter(it) for it in (one, two, three, other)] == [True, True, False, True]
    access.leave(one)
    assert access.enter(three)


def test_who_was_banned_before_a_restart_still_is(clock: Clock) -> None:
    bans = Bans(LoginSettings(), clock=clock, still_banned={f"address {HOME}": 100})
    assert bans.banned(f"address {HOME}")
    clock.now += 100
    assert not bans.banned(f"address {HOME}")


def test_a_clock_that_was_set_back_prolongs_no_ban(clock: Clock) -> None:
    bans = Bans(LoginSettings(ban=1800), clock=clock, still_banned={f"user {USER}": 1e6})
    clock.now += 1800
    assert not bans.banned(f"user {USER}")


def test_a_ban_is_told_once(access: Access, clock: Clock) -> None:
    told: list[Ban] = []
    bans = Bans(LoginSettings(max_failures=2, ban=60), clock=clock, receiver=told.append)
    for _ in range(5):
        bans.failed(f"address {HOME}")
    assert told == [Ban(kind="address", name=HOME, seconds=60)]


def test_all_addresses_of_an_ipv6_network_are_banned_together(access: Access) -> None:
    for last in range(3):
        try_password(access, "wrong", address=f"2001:db8:1:2::{last}")
    assert access.is_banned("2001:db8:1:2:ffff::1")
    assert not access.is_banned("2001:db8:1:3::1")


def test_strangers_of_one_ipv6_network_count_together() -> None:
    assert origin_of("2001:db8:0:7::1") == origin_of("2001:db8:0:7:ffff::9") != origin_of("::1")


def test_an_attack_from_many_addresses_fills_no_memory(clock: Clock) -> None:
    bans = Bans(LoginSettings(max_failures=2), clock=clock)
    for number in range(MOST_SUBJECTS + 10):
        bans.failed(f"address {number}")
    assert len(bans._failures) <= MOST_SUBJECTS


# Through the doors


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with open_doors(tmp_path, login=LoginSettings(max_failures=3, max_sessions=2)) as rig:
        yield rig


def fail_over_sftp(rig: Rig) -> None:
    transport = paramiko.Transport(("127.0.0.1", rig.port("sftp")))
    with transport, pytest.raises(paramiko.SSHException):
        transport.connect(username=USER, password="wrong")


def fail_over_ftp(rig: Rig) -> None:
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", rig.port("ftp"))
        with pytest.raises(ftplib.error_perm, match="530"):
            ftp.login(USER, "wrong")


def test_failures_at_both_doors_count_together(rig: Rig) -> None:
    fail_over_sftp(rig)
    fail_over_ftp(rig)
    fail_over_sftp(rig)
    with pytest.raises(Exception, match=r"530|Authentication|closed"):
        FtplibClient("ftp", rig.port("ftp")).names("/out")
    with pytest.raises((paramiko.SSHException, EOFError)):
        ParamikoClient("sftp", rig.port("sftp")).names("/out")
    assert ("refused", USER, "ftp", Reason.BANNED.value) in rig.told.events


def test_a_wrong_key_is_forgiven_when_the_password_is_right(rig: Rig) -> None:
    for visit in range(1, 5):
        with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
            transport.start_client()
            for _ in range(2):
                with pytest.raises(paramiko.AuthenticationException):
                    transport.auth_publickey(USER, paramiko.RSAKey.generate(2048))
            transport.auth_password(USER, PASSWORD)
        rig.told.wait_for("logged out", USER, "sftp", count=visit)


def test_wrong_keys_lead_to_a_ban(rig: Rig) -> None:
    key = paramiko.RSAKey.generate(2048)
    for _ in range(3):
        transport = paramiko.Transport(("127.0.0.1", rig.port("sftp")))
        with transport, pytest.raises(paramiko.SSHException):
            transport.connect(username=USER, pkey=key)
    with pytest.raises((paramiko.SSHException, EOFError)):
        ParamikoClient("sftp", rig.port("sftp")).names("/out")


@pytest.mark.parametrize("over", ["sftp", "ftp"])
def test_one_session_too_many_is_refused(rig: Rig, over: str) -> None:
    kind = ParamikoClient if over == "sftp" else FtplibClient
    client = kind(over, rig.port(over))
    with client.session(), client.session():
        with pytest.raises((paramiko.SSHException, EOFError, ftplib.error_perm, OSError)):
            client.names("/out")
        assert ("refused", USER, over, Reason.SESSIONS.value) in rig.told.events
    rig.told.wait_for("logged out", USER, over, count=2)
    assert client.names("/out") == []


@pytest.mark.parametrize("over", ["sftp", "ftp"])
def test_a_client_that_does_not_log_in_is_let_go(tmp_path: Path, over: str) -> None:
    with (
        open_doors(tmp_path, login=LoginSettings(grace=0.5)) as rig,
        socket.create_connection(("127.0.0.1", rig.port(over)), timeout=30) as connection,
    ):
        while connection.recv(4096):
            pass


def test_a_ban_counts_for_tries_that_waited_for_their_turn(access: Access) -> None:
    with ThreadPoolExecutor(40) as pool:
        passwords = ["wrong"] * 20 + [PASSWORD] + ["wrong"] * 19
        results = list(pool.map(lambda password: try_password(access, password), passwords))
    judged = [it for it in results if it == Refused(Reason.PASSWORD)]
    assert len(judged) <= 3 + 4  # the limit, and what was being judged when the ban fell
    assert isinstance(try_password(access, PASSWORD), Refused)


def test_the_doors_do_not_wait_for_each_others_guessers(access: Access) -> None:
    slots = access._passwords._slots["sftp"]
    while slots.acquire(blocking=False):
        pass
    assert isinstance(try_password(access, PASSWORD, protocol="ftp"), Session)


def test_one_address_cannot_keep_all_others_out(tmp_path: Path) -> None:
    with open_doors(tmp_path) as rig, ExitStack() as stack:
        for _ in range(260):
            silent = stack.enter_context(socket.socket())
            silent.bind(("127.0.0.9", 0))
            silent.connect(("127.0.0.1", rig.port("sftp")))
        assert ParamikoClient("sftp", rig.port("sftp")).names("/out") == []
