"""How a report looks: text, CSV, XLSX and HTML, made from the report alone.

Each is a pure function: the same report, the same language, the same bytes. Whatever came from
outside (numbers, names, errors) is data in every one of them: it cannot run, colour or hide
anything (`inert.py`).
"""

from reconcile.rendering.csv_file import as_csv
from reconcile.rendering.html_file import as_html
from reconcile.rendering.progress import Step, progress
from reconcile.rendering.terminal import as_rich, as_text, history_as_rich, history_as_text
from reconcile.rendering.xlsx_file import as_xlsx

__all__ = [
    "Step",
    "as_csv",
    "as_html",
    "as_rich",
    "as_text",
    "as_xlsx",
    "history_as_rich",
    "history_as_text",
    "progress",
]
