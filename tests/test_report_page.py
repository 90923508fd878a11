"""The HTML report in a real browser: search, languages, print, no network, and for everybody."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import axe_core_python
import pytest

from reconcile.language import LANGUAGES, language
from reconcile.model import Outcome, Report
from reconcile.rendering import as_html
from reconcile.rendering.html_file import MOST_ROWS
from reconcile.rendering.inert import visible
from tests import reports
from tests.browser import Browser, Page, chromium
from tests.programs import require_program

AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
SHOWN = "[...document.querySelectorAll('tbody.invoice')].filter(e => e.checkVisibility()).length"
A4 = (595, 842)
"""In points."""

Opener = Callable[..., Page]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = require_program("chromium")
    with chromium(program, tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Page:
    return browser.page()


@pytest.fixture
def show(tab: Page, tmp_path: Path) -> Opener:
    """Give a way to open a report's page in the tab."""

    def opening(report: Report, code: str = "en", *, width: int = 1280, **look: Any) -> Page:
        path = tmp_path / "report.html"
        path.write_bytes(as_html(report, language(code)))
        tab.look(width=width, **look)
        tab.open(path.as_uri())
        return tab

    return opening


@pytest.fixture
def page(show: Opener) -> Page:
    return show(reports.report())


def search(page: Page, text: str) -> str:
    """Type into the search and return what the page says is shown."""
    before = page.run("document.querySelector('output').textContent")
    page.run("document.querySelector('#search').select()")
    page.call("Input.insertText", text=text)
    page.wait_until(f"document.querySelector('output').textContent !== {before!r}")
    return str(page.run("document.querySelector('output').textContent"))


def sections(page: Page) -> list[str]:
    """Return the outcomes whose invoices are shown."""
    found = page.run(
        "[...document.querySelectorAll('section.outcome')]"
        ".filter(e => e.checkVisibility()).map(e => e.dataset.outcome)"
    )
    return list(found)


# What it loads


@pytest.mark.parametrize("make", [reports.report, reports.hostile, reports.empty])
def test_a_page_asks_for_nothing_but_itself(show: Opener, make: Callable[[], Report]) -> None:
    page = show(make())
    assert page.requests() == [page.run("location.href")]
    assert page.complaints() == []


def test_a_page_may_load_nothing_even_if_something_in_it_tried(page: Page) -> None:
    page.run(
        "new Promise(done => { const image = new Image();"
        " document.addEventListener('securitypolicyviolation', done);"
        " image.src = 'http://127.0.0.1:9/x.png'; document.body.append(image) }).then(() => 1)"
    )
    assert any("Content Security Policy" in said for said in page.complaints())


def test_nothing_from_outside_acts_in_a_page(show: Opener) -> None:
    page = show(reports.hostile())
    assert "owned" not in page.run("document.title.replace(/document.title='owned'/g, '')")
    assert page.run("document.querySelectorAll('img, script').length") == 1  # ours
    assert page.run("document.querySelectorAll('tbody.invoice').length") == len(reports.HOSTILE)


def test_every_hostile_text_is_shown_for_what_it_is(show: Opener) -> None:
    page = show(reports.hostile())
    ids = page.run(
        "[...document.querySelectorAll('tbody.invoice bdi:first-child')].map(e => e.textContent)"
    )
    assert {visible(text) for text in reports.HOSTILE} <= set(ids)


# Search and filter


def test_a_hub_id_finds_its_invoice(page: Page) -> None:
    assert search(page, "1000119") == "Listed invoices shown: 1 of 59"
    assert sections(page) == ["different"]


def test_a_value_finds_the_invoices_that_differ_in_it(page: Page) -> None:
    assert search(page, "contracte.PDF attachment") == "Listed invoices shown: 3 of 59"


def test_a_search_does_not_ask_for_accents(show: Opener) -> None:
    page = show(reports.report(), "ca")
    assert search(page, "transit un informe anterior").endswith(": 1 de 59")


def test_an_outcome_can_be_left_out(page: Page) -> None:
    page.run("document.querySelector('input[value=different]').click()")
    assert "different" not in sections(page)
    assert "only-legacy" in sections(page)


def test_what_does_not_block_can_be_left_out(page: Page) -> None:
    page.run("document.querySelector('input[name=blocking]').click()")
    assert sections(page) == ["unreadable", "duplicate", "only-legacy", "only-rest", "different"]
    assert page.run(SHOWN) == sum(row.blocks for row in reports.report().rows)


def test_a_link_leads_to_its_outcome_even_if_that_is_left_out(page: Page) -> None:
    page.run("document.querySelector('input[value=different]').click()")
    page.run("document.querySelector('.reasons a[href=\"#different\"]').click()")
    page.wait_until("document.querySelector('section.different').checkVisibility()")


def test_every_link_of_a_page_leads_somewhere(page: Page) -> None:
    assert (
        page.run(
            "[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))"
            ".filter(h => !h.startsWith('#') || !document.getElementById(h.slice(1)))"
        )
        == []
    )


def test_all_differences_open_at_once(page: Page) -> None:
    page.run("document.querySelector('button[data-open=true]').click()")
    assert page.run("document.querySelectorAll('details.xml:not([open])').length") == 0
    assert page.run("document.querySelector('details.xml del').checkVisibility()")


def test_without_a_script_a_page_is_whole(show: Opener, tab: Page) -> None:
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page = show(reports.report())
    finally:
        tab.call("Emulation.setScriptExecutionDisabled", value=False)
    assert page.run(SHOWN) == 59 - 38  # the equivalent ones wait in a list to be opened
    assert not page.run("document.querySelector('.filter').checkVisibility()")


def test_a_very_long_list_ends_and_says_so() -> None:
    html = as_html(reports.report({Outcome.ONLY_REST: MOST_ROWS + 7}), language("en")).decode()
    assert html.count('<tbody id="i-') == MOST_ROWS
    assert re.search(r"and 7 more: <code[^>]*>--format</code> xlsx or csv lists all", html)


def test_names_that_differ_stand_side_by_side(page: Page) -> None:
    cells = page.run(
        "[...document.querySelectorAll('section:has(#names) tbody tr:first-child > *')]"
        ".map(e => e.textContent.trim())"
    )
    assert cells == [
        "1000084",
        "A58000002@P0800000A@2026_118@1000084.XML",
        "A58000002@P0800000A@118@1000084.XML",
    ]


# How it looks


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("en", "Not ready to cut over"),
        ("ca", "Encara no es pot fer el canvi de sistema"),
        ("es", "Todavía no se puede hacer el cambio de sistema"),
    ],
    ids=LANGUAGES,
)
def test_a_page_is_in_its_language(show: Opener, code: str, verdict: str) -> None:
    page = show(reports.report(), code)
    assert page.run("document.documentElement.lang") == code
    assert page.run("document.querySelector('#verdict-title').textContent") == verdict


@pytest.mark.parametrize("make", [reports.report, reports.hostile])
def test_a_narrow_window_needs_no_scrolling_to_the_side(
    show: Opener, make: Callable[[], Report]
) -> None:
    page = show(make(), width=380)
    assert page.run("document.documentElement.scrollWidth") == 380


def test_paper_has_no_controls(show: Opener) -> None:
    page = show(reports.report(), media="print")
    for control in (".filter", ".skip", "summary"):
        assert not page.run(f"document.querySelector({control!r}).checkVisibility()"), control
    assert page.run("document.querySelector('.sign').checkVisibility()")


def test_paper_is_white_by_night_too(show: Opener) -> None:
    page = show(reports.report(), media="print", dark=True)
    colour = page.run("getComputedStyle(document.documentElement).backgroundColor")
    assert colour == "rgb(255, 255, 255)"


def test_a_report_prints_on_a4(page: Page) -> None:
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", page.paper())
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {A4}
    assert len(boxes) < 10


# For everybody


FEW = dict.fromkeys(reports.MIX, 2)


@pytest.mark.parametrize(
    ("report", "width", "dark"),
    [
        (reports.report(FEW), 1280, False),
        (reports.report(FEW), 1280, True),
        (reports.report(FEW), 380, True),
        (reports.ready(), 1280, False),
        (reports.empty(), 380, False),
    ],
    ids=["day", "night", "narrow", "ready", "empty"],
)
def test_the_accessibility_checker_finds_nothing(
    show: Opener, report: Report, width: int, dark: bool
) -> None:
    page = show(report, width=width, dark=dark)
    page.run("document.querySelectorAll('details:not(.quiet)').forEach(e => { e.open = true })")
    page.run(AXE.read_text(encoding="utf-8") + "; 1")
    found = page.run(
        "axe.run().then(done => ({passes: done.passes.map(each => each.id),"
        " violations: done.violations.map(each =>"
        " [each.help, each.nodes.slice(0, 3).map(node => node.html)])}))"
    )
    assert found["violations"] == []
    assert {"color-contrast", "landmark-one-main", "td-headers-attr"} - {*found["passes"]} == set()


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_keyboard_reaches_the_verdict_first(show: Opener, code: str) -> None:
    page = show(reports.report(), code)
    for kind in ("keyDown", "keyUp"):
        page.call(
            "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9
        )
    assert page.run("document.activeElement.getAttribute('href')") == "#verdict"
    assert page.run("document.activeElement.getBoundingClientRect().left >= 0")
