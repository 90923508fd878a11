"""The balance is read back from the real places: what could not be looked at proves nothing.

The hub is the sandbox over HTTP, the old mailbox a real SSH server behind a line that can be cut.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import AccountError, HubAwayError
from bridge.ledger.moves import MoveKind
from bridge.model import FeedName
from bridge.recording import FeedRecorder
from bridge.sandbox.server import Sandbox
from reconcile.language import LANGUAGES, language
from reconcile.moves import switching
from reconcile.moves.balance import Outcome
from reconcile.moves.command import Wanted, cut_over, roll_back
from reconcile.moves.page import balance_as_html
from reconcile.moves.rules import OldMailboxMode
from reconcile.moves.serving import verdict
from reconcile.moves.text import balance_as_text
from reconcile.moves.verifying import look_at_balance
from reconcile.moves.way import Way
from tests.accounts import Office, Offices, failing, pull
from tests.moving import OldHub, collect, faults, names
from tests.old_mailboxes import Relay, Servers, secret

APPLY = Wanted(by="test", apply=True)
FORCED = replace(APPLY, force=True)
IN_ITS_PLACE = "Every invoice is in exactly one place"

CUTOVER_ASKS_THE_HUB = 4
"""So often a cutover asks for the hub's list, before its balance does."""
CUTOVER_LOOKS_THERE = 5
ROLLBACK_LOOKS_THERE = 3
"""So many lines to the old mailbox a move opens, before its balance does."""


@pytest.fixture
def old(sandbox: Sandbox, tmp_path: Path) -> OldHub:
    return OldHub(sandbox.book, tmp_path / "old")


@pytest.fixture
def town(open_account: Offices, old: OldHub) -> Office:
    """Give an account that its old mailbox, a folder, serves."""
    return old.open(open_account)


@pytest.fixture
def relay(servers: Servers, tmp_path: Path) -> Iterator[Relay]:
    """Give the line to the old mailbox."""
    relay = Relay(servers("sftp").port)
    yield relay
    relay.close()


@pytest.fixture
def behind(
    open_account: Offices, sandbox: Sandbox, servers: Servers, relay: Relay, tmp_path: Path
) -> Office:
    """Give an account that an old mailbox behind a real server serves, with two invoices in it."""
    server = servers("sftp").mailbox(tmp_path.name)
    old = OldHub(sandbox.book, server.base)
    town = old.open(open_account, legacy=server.at(relay.port))
    old.both(town)
    pull(town)
    collect(town)
    old.both(town)
    return town


@contextmanager
def away(town: Office, **which: Any) -> Iterator[None]:
    """Let the hub answer with a proxy's page while the block runs."""
    town.sandbox.book.faults.fail(**({"status": 503, "times": None} | which))
    try:
        yield
    finally:
        town.sandbox.book.faults.clear()
        town.account.circuit.close()


@contextmanager
def stopped(town: Office) -> Iterator[None]:
    """Let nobody listen at the hub's address while the block runs."""
    town.sandbox.stop()
    try:
        yield
    finally:
        town.sandbox.start()
        town.account.circuit.close()


def cut(town: Office, wanted: Wanted = FORCED) -> int:
    return cut_over(town.account, wanted)


def back(town: Office, way: Way | None = None, wanted: Wanted = APPLY) -> int:
    return roll_back(town.account, way or Way(patience=0), wanted)


def barred(town: Office, open_account: Offices) -> Office:
    """Open an account once more, with a password that its old mailbox does not take."""
    legacy = town.account.own.legacy
    assert legacy is not None
    assert legacy.password_file is not None
    wrong = secret(legacy.password_file.with_name("wrong"), "a password of nobody")
    return open_account(
        serve="legacy", shadow="rest", legacy=legacy.model_copy(update={"password_file": wrong})
    )


def has_moved(town: Office, kind: MoveKind, *, serve: FeedName | None) -> bool:
    last = switching.last_move(town.account, kind)
    return last is not None and not last.is_open and town.account.feeds().serve is serve


# -- the hub ---------------------------------------------------------------------------------------


def test_a_cutover_ends_with_3_when_the_hub_is_away_at_its_balance_and_with_0_once_it_is_back(
    town: Office, old: OldHub, capsys: pytest.CaptureFixture[str]
) -> None:
    old.both(town)
    with away(town, operation="pending_invoices", skip=CUTOVER_ASKS_THE_HUB):
        assert cut(town) == 3
    assert has_moved(town, MoveKind.CUTOVER, serve=FeedName.REST)
    said = " ".join(capsys.readouterr().out.split())
    assert IN_ITS_PLACE not in said
    assert "Not read back: the hub" in said
    assert cut(town) == 0
    assert IN_ITS_PLACE in capsys.readouterr().out
    assert faults(town) == []


def test_a_rollback_ends_with_3_when_the_hub_is_away_and_with_0_once_it_is_back(
    town: Office, old: OldHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cut(town) == 0
    capsys.readouterr()
    with stopped(town):
        assert back(town) == 3
    assert has_moved(town, MoveKind.ROLLBACK, serve=FeedName.LEGACY)
    assert IN_ITS_PLACE not in capsys.readouterr().out
    assert back(town) == 0
    assert faults(town) == []


@pytest.mark.parametrize("move", [cut, back])
def test_a_move_given_again_ends_with_3_while_the_hub_is_away(move: Any, town: Office) -> None:
    if move is back:
        cut(town)
    assert move(town) == 0
    with stopped(town):
        assert move(town) == 3
    assert move(town) == 0


def test_json_says_which_place_was_not_read_back_and_why(
    town: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(town)
    capsys.readouterr()
    with stopped(town):
        assert cut(town, replace(FORCED, as_json=True)) == 3
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["balance"] == "not-read-back"
    assert [it["place"] for it in document["not_read_back"]] == ["hub"]
    assert "could be read back" in printed.err
    assert cut(town, replace(FORCED, as_json=True)) == 0
    assert json.loads(capsys.readouterr().out)["not_read_back"] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_text_and_page_do_not_say_in_any_language_that_all_is_in_its_place(
    code: str, town: Office
) -> None:
    cut(town)
    with stopped(town):
        done = look_at_balance(town.account, MoveKind.CUTOVER)
    words = language(code)
    said = words.say("Every invoice is in exactly one place: none is lost, none is twice.")
    for shown in (
        balance_as_text(done, words),
        balance_as_html(done, MoveKind.CUTOVER, words).decode(),
    ):
        assert said not in " ".join(shown.split())
        assert town.sandbox.base_url.partition("/rcf")[0] in shown


def test_what_the_hub_alone_may_have_needs_no_person_while_it_cannot_be_asked(
    town: Office, old: OldHub
) -> None:
    cut(town)
    assert back(town) == 0
    old.rest(town)
    assert back(town) == 0
    with stopped(town):
        assert back(town) == 3
        done = look_at_balance(town.account, MoveKind.ROLLBACK)
    assert done.outcome is Outcome.NOT_READ_BACK
    assert done.people == ()


def test_what_the_hub_alone_has_after_a_rollback_is_said_so_and_not_that_it_is_nowhere(
    town: Office, old: OldHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cut(town) == 0
    (stuck,) = old.rest(town)
    with away(town, operation="facturae", hub_id=stuck):
        assert back(town) == 1
        assert "Only the hub has it" in capsys.readouterr().out
    with stopped(town):
        assert look_at_balance(town.account, MoveKind.ROLLBACK).people == ()
    assert back(town) == 1
    old.deliver(stuck)
    pull(town)
    assert back(town) == 0


def test_a_hub_that_refuses_the_secret_ends_a_move_given_again_with_1(
    town: Office, open_account: Offices, old: OldHub, tmp_path: Path
) -> None:
    cut(town)
    (tmp_path / "other.secret").touch(mode=0o600)
    (tmp_path / "other.secret").write_text("no secret of this hub, and long enough for it")
    other = old.open(open_account, secret_file=tmp_path / "other.secret")
    assert cut(other) == 1


def test_a_move_promises_of_a_hub_that_is_away_no_other_try_than_that_of_the_same_command(
    town: Office,
) -> None:
    with away(town):
        error = failing(lambda: cut(town))
    assert "it is tried again" not in str(error)
    assert "nothing was moved. Give the same command again when it answers" in str(error)
    cut(town)
    with away(town):
        (unread,) = look_at_balance(town.account, MoveKind.CUTOVER).unread
    assert unread.why.endswith("HTTP 503 without the hub's error code")


def test_what_is_lost_counts_more_than_what_was_not_read_back(town: Office, old: OldHub) -> None:
    old.both(town)
    cut(town)
    (path,) = town.account.mailbox.root.glob("out/*")
    name = path.name
    with stopped(town):
        path.rename(path.with_name(f"other-{name}"))
        assert cut(town) == 1
    path.with_name(f"other-{name}").rename(path)
    assert cut(town) == 0


def test_a_cutover_that_loses_the_hub_after_the_switch_says_that_rest_serves_and_how_it_goes_on(
    town: Office, old: OldHub
) -> None:
    old.both(town)
    with away(town, operation="pending_invoices", skip=CUTOVER_ASKS_THE_HUB - 1):
        error = failing(lambda: cut(town))
    assert isinstance(error, HubAwayError)
    assert "the cutover has begun and not ended, rest serves now" in str(error)
    assert cut(town) == 0
    assert faults(town) == []


# -- the old mailbox -------------------------------------------------------------------------------


def test_a_cutover_ends_with_3_when_the_old_mailbox_is_away_at_its_balance(
    behind: Office, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    FeedRecorder(behind.account).round(FeedName.REST, only_due=False)
    relay.lets = CUTOVER_LOOKS_THERE
    assert cut(behind, APPLY) == 3
    assert has_moved(behind, MoveKind.CUTOVER, serve=FeedName.REST)
    said = " ".join(capsys.readouterr().out.split())
    assert IN_ITS_PLACE not in said
    assert "Not read back: the old mailbox" in said
    assert "If it is closed for good, give the command with --force." in said
    assert cut(behind, APPLY) == 3
    relay.lets = None
    assert cut(behind, APPLY) == 0
    assert faults(behind) == []


def test_a_rollback_ends_with_3_when_the_old_mailbox_is_away_at_its_balance(
    behind: Office, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cut(behind) == 0
    relay.lets = ROLLBACK_LOOKS_THERE
    assert back(behind) == 3
    assert has_moved(behind, MoveKind.ROLLBACK, serve=FeedName.LEGACY)
    assert "--force" not in capsys.readouterr().out
    assert back(behind) == 3
    relay.lets = None
    assert back(behind) == 0
    assert faults(behind) == []


def test_who_says_that_the_old_mailbox_is_closed_for_good_gets_a_balance_without_it(
    behind: Office, relay: Relay
) -> None:
    assert cut(behind) == 0
    relay.refuses = True
    assert cut(behind, APPLY) == 3
    assert cut(behind, FORCED) == 0


def test_a_cutover_that_was_forced_without_the_old_mailbox_ends_with_0_each_time(
    behind: Office, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    relay.refuses = True
    assert cut(behind) == 0
    assert "The old mailbox counts as closed for good" in " ".join(capsys.readouterr().out.split())
    assert "try again later" not in look_at_balance(behind.account, MoveKind.CUTOVER).closed
    assert cut(behind, APPLY) == 0
    assert cut(behind, replace(APPLY, as_json=True)) == 0
    document = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))
    assert document["balance"] == "zero"
    assert document["old_mailbox_closed"]


def test_a_rollback_into_a_folder_without_the_old_mailbox_ends_with_0_each_time(
    behind: Office, relay: Relay, tmp_path: Path
) -> None:
    assert cut(behind) == 0
    relay.refuses = True
    way = Way(target=tmp_path / "target", patience=0)
    assert back(behind, way) == 0
    assert behind.account.feeds().serve is None
    assert back(behind, way) == 0


def test_a_rollback_that_the_old_mailbox_refuses_names_no_folder_that_would_be_refused_too(
    behind: Office, open_account: Offices
) -> None:
    assert cut(behind) == 0
    error = failing(lambda: back(barred(behind, open_account)))
    assert isinstance(error, AccountError)
    assert "put right what is said here" in str(error)
    assert "--target" not in str(error)


@pytest.mark.parametrize("apply", [True, False])
def test_a_folder_is_refused_while_the_old_mailbox_answers_and_does_not_let_us_in(
    apply: bool, behind: Office, open_account: Offices, tmp_path: Path
) -> None:
    assert cut(behind) == 0
    before = names(behind)
    locked_out, way = barred(behind, open_account), Way(target=tmp_path / "target", patience=0)
    error = failing(lambda: back(locked_out, way, replace(APPLY, apply=apply)))
    assert isinstance(error, AccountError)
    assert "take [account.legacy] out of the settings" in str(error)
    assert names(locked_out) == before
    assert not (tmp_path / "target").exists()
    assert locked_out.account.feeds().serve is FeedName.REST
    assert back(open_account(serve="rest", shadow=""), way) == 0


@pytest.mark.parametrize("lacks", ["", "out"])
def test_a_rollback_is_refused_while_the_old_server_answers_and_lacks_the_mailbox(
    lacks: str, behind: Office, servers: Servers, tmp_path: Path
) -> None:
    assert cut(behind) == 0
    place = servers("sftp").base / tmp_path.name / lacks
    hidden = place.rename(servers("sftp").base / f"{tmp_path.name}-hidden")
    for way in (Way(patience=0), Way(target=tmp_path / "target", patience=0)):
        error = failing(lambda way=way: back(behind, way))
        assert isinstance(error, AccountError)
        assert "Its server answers" in str(error)
    assert behind.account.feeds().serve is FeedName.REST
    assert not (tmp_path / "target").exists()
    hidden.rename(place)
    assert back(behind) == 0


def test_a_rollback_into_a_folder_given_again_ends_with_1_where_the_old_mailbox_refuses_meanwhile(
    behind: Office,
    relay: Relay,
    open_account: Offices,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cut(behind) == 0
    relay.refuses = True
    way = Way(target=tmp_path / "target", patience=0)
    assert back(behind, way) == 0
    relay.refuses = False
    capsys.readouterr()
    assert back(barred(behind, open_account), way) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert IN_ITS_PLACE not in said
    assert "take [account.legacy] out of the settings" in said
    assert back(open_account(serve="rest", shadow=""), way) == 0


def test_an_old_mailbox_that_is_back_after_a_rollback_into_a_folder_offers_nothing_any_more(
    behind: Office, relay: Relay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cut(behind) == 0
    relay.refuses = True
    way = Way(target=tmp_path / "target", patience=0)
    assert back(behind, way) == 0
    relay.refuses = False
    capsys.readouterr()
    assert back(behind, replace(way, mode=OldMailboxMode.LIST)) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "It went into the folder, and the old mailbox offers it." in said
    assert "Take these files away in the old mailbox" in said
    assert back(behind, way, replace(APPLY, apply=False)) == 1
    assert back(behind, way) == 0
    relay.refuses = True
    assert back(behind, way) == 0
    assert faults(behind) == []


def test_an_account_that_never_had_an_old_mailbox_is_rolled_back_into_a_folder_with_0(
    open_account: Offices, tmp_path: Path
) -> None:
    alone = open_account()
    alone.served(1)
    way = Way(target=tmp_path / "target", patience=0)
    assert back(alone, way) == 0
    assert back(alone, way) == 0


def test_a_rollback_into_a_folder_while_the_hub_is_away_is_whole_and_may_be_imported(
    open_account: Offices, tmp_path: Path
) -> None:
    alone = open_account()
    alone.served(1)
    target = tmp_path / "target"
    way = Way(target=target, patience=0)
    with stopped(alone):
        assert back(alone, way) == 3
    assert IN_ITS_PLACE not in (target / "report.html").read_text()
    for path in (target / "out").iterdir():
        path.unlink()  # imported
    page = tmp_path / "balance.html"
    assert back(alone, way, replace(APPLY, output=page)) == 0
    assert IN_ITS_PLACE in page.read_text()


@pytest.mark.parametrize(
    ("code", "said"),
    [("en", "no feed serves"), ("ca", "no serveix cap canal"), ("es", "no sirve ningún canal")],
)
def test_that_no_feed_serves_is_said_in_each_language_by_balance_and_page(
    code: str, said: str, open_account: Offices, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone, page, words = open_account(), tmp_path / "balance.html", language(code)
    way = Way(target=tmp_path / "target", patience=0)
    assert back(alone, way, replace(APPLY, output=page, lang=code)) == 0
    assert back(alone, way, replace(APPLY, lang=code)) == 0
    printed = capsys.readouterr().out
    assert printed.count(said) == 3  # the balance, twice, and that it was done before
    assert said in page.read_text()
    with stopped(alone):
        done = look_at_balance(alone.account, MoveKind.ROLLBACK)
    assert verdict(done, words)[1:].startswith(said[1:])


def test_an_old_mailbox_that_is_suddenly_empty_proves_nothing_until_the_next_look(
    town: Office, old: OldHub
) -> None:
    assert cut(town) == 0
    hidden = [old.both(town) for _ in range(5)]
    assert cut(town) == 0
    there = [old.root / name for name in old.names()]
    for path in there:
        path.rename(path.parent.parent / path.name)
    assert cut(town) == 1
    assert look_at_balance(town.account, MoveKind.CUTOVER).outcome is Outcome.ZERO
    assert len(there) == 2 * len(hidden)


@pytest.mark.parametrize("move", [cut, back])
def test_a_plan_too_is_refused_while_the_old_mailbox_is_suddenly_empty(
    move: Any, town: Office, old: OldHub
) -> None:
    if move is back:
        assert cut(town) == 0
    for _ in range(5):
        old.both(town)
    pull(town)
    FeedRecorder(town.account).round(FeedName.LEGACY, only_due=False)
    away = old.root.rename(old.root.with_name("not-mounted"))
    OldHub(old.book, old.root)
    error = failing(lambda: move(town, wanted=replace(APPLY, apply=False)))
    assert "Look whether it is the right mailbox" in str(error)
    assert town.account.feeds().serve is (FeedName.REST if move is back else FeedName.LEGACY)
    shutil.rmtree(old.root)
    away.rename(old.root)
    assert move(town, wanted=FORCED) == 0
    assert len(collect(town)) == 5
    assert faults(town) == []


def test_an_old_mailbox_that_serves_and_has_no_settings_any_more_proves_nothing(
    town: Office, old: OldHub, open_account: Offices
) -> None:
    assert cut(town) == 0
    assert back(town) == 0
    assert back(open_account(serve="rest", shadow="")) == 1
