"""The pictures of the documentation: `make pictures` makes them again from a made-up report."""

import shutil
import sys
import tempfile
from pathlib import Path

from reconcile.language import language
from reconcile.rendering import as_html
from tests import reports
from tests.browser import Page, chromium

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
WIDTH = 1120


def main() -> int:
    """Write every picture; the exit code is 1 without a browser."""
    program = shutil.which("chromium")
    if program is None:
        sys.stderr.write("chromium is not installed (Debian: apt-get install chromium)\n")
        return 1
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        chromium(program, Path(folder) / "profile") as browser,
    ):
        page = browser.page()
        path = Path(folder) / "report.html"
        path.write_bytes(as_html(reports.report(), language("en")))
        page.look(width=WIDTH, height=900)
        page.open(path.as_uri())
        page.run("document.querySelectorAll('details.xml')[1].open = true")
        _take(page, "report", "header", "#counts")
        _take(page, "report-days", "section:has(#days)", "section:has(#days)", edge="bottom")
        _take(page, "report-trend", "section:has(#trend)", "section:has(#trend)", edge="bottom")
        _take(
            page,
            "report-different",
            "section.different",
            "section.different tbody.accepted",
            edge="bottom",
        )
    return 0


def _take(page: Page, name: str, first: str, last: str, *, edge: str = "top") -> None:
    """Write the part of a page from the top of one element to an edge of another."""
    top = _edge(page, first, "top")
    clip = {"x": 0, "y": top - 24, "width": WIDTH, "scale": 1}
    clip["height"] = _edge(page, last, edge) + 16 - clip["y"]
    path = FOLDER / f"{name}.webp"
    page.picture(path, whole=False, clip=clip, format="webp", quality=82)
    sys.stdout.write(f"{path.relative_to(FOLDER.parent.parent)}: {path.stat().st_size} bytes\n")


def _edge(page: Page, element: str, edge: str) -> float:
    place = f"document.querySelector({element!r}).getBoundingClientRect().{edge} + scrollY"
    return float(page.run(place))


if __name__ == "__main__":
    sys.exit(main())
