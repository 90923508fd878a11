"""The balance as a page, in a real browser: languages, no network, on paper, and for everybody."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import axe_core_python
import pytest

from bridge.ledger.moves import MoveKind
from bridge.ledger.serving import Feeds
from bridge.model import FeedName, HubId
from reconcile.language import LANGUAGES, language
from reconcile.moves.balance import HELD, TWICE_THERE, Balance, Problem, Unread
from reconcile.moves.page import balance_as_html
from reconcile.moves.rules import Place
from tests.browser import Browser, Page, chromium
from tests.programs import require_program

AXE = Path(axe_core_python.__file__).with_name("axe.min.js")

BALANCE = Balance(
    account="ajuntament",
    generated_at=datetime(2026, 11, 25, 9, 30, tzinfo=UTC),
    feeds=Feeds(serve=FeedName.LEGACY, shadow=FeedName.REST),
    places=dict.fromkeys(Place, 0) | {Place.SOFTWARE: 1234, Place.PERSON: 1},
    people=(Problem(hub_id=HubId("17"), said=HELD),),
    twice=(Problem(hub_id=HubId("18"), said=TWICE_THERE),),
    to_take_away=("out/a@18.XML",),
    unread=(Unread(place=Place.HUB, why="the hub says <nothing>"),),
    closed="the old mailbox is gone",
    unknown_files=("out/<script>alert(1)</script>.txt",),
    remarks=("the hub does not answer",),
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(require_program("chromium"), tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Page:
    return browser.page()


def shown(tab: Page, folder: Path, code: str = "en") -> Page:
    path = folder / "balance.html"
    path.write_bytes(balance_as_html(BALANCE, MoveKind.ROLLBACK, language(code)))
    tab.look(width=800)
    tab.open(path.as_uri())
    return tab


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_page_speaks_its_language_and_shows_every_list(
    tab: Page, tmp_path: Path, code: str
) -> None:
    page = shown(tab, tmp_path, code)
    text = page.run("document.body.innerText")
    assert page.run("document.documentElement.lang") == code
    assert language(code).number(1234) in text
    for said in (HELD, TWICE_THERE):
        assert language(code).say(said) in text
    words = ("17", "18", "out/a@18.XML", "the hub does not answer", "the old mailbox is gone")
    assert all(word in text for word in (*words, "the hub says <nothing>"))


def test_the_page_asks_nobody_for_anything_and_runs_nothing(tab: Page, tmp_path: Path) -> None:
    page = shown(tab, tmp_path)
    assert page.complaints() == []
    assert page.requests() == [(tmp_path / "balance.html").as_uri()]
    assert page.run("document.scripts.length") == 0


def test_the_page_can_be_put_on_paper(tab: Page, tmp_path: Path) -> None:
    assert shown(tab, tmp_path).paper().startswith(b"%PDF")


@pytest.mark.parametrize("width", [360, 1280])
def test_the_accessibility_checker_finds_nothing_in_a_balance(
    tab: Page, tmp_path: Path, width: int
) -> None:
    page = shown(tab, tmp_path)
    page.look(width=width)
    page.run(AXE.read_text(encoding="utf-8") + "; 1")
    found = page.run(
        "axe.run().then(done => done.violations.map(each =>"
        " [each.help, each.nodes.slice(0, 3).map(node => node.html)]))"
    )
    assert found == []
