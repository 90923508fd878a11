"""What the commands of `efact-reconcile` have in common: its name, options, how they answer."""

import getpass
import os
from functools import partial
from typing import Annotated

import typer

from bridge import command_line
from reconcile.language import LANGUAGES

COMMAND = "efact-reconcile"

answering = partial(command_line.answering, COMMAND)


def _language(text: str) -> str:
    if text not in LANGUAGES:
        raise typer.BadParameter(f"one of {', '.join(LANGUAGES)} is wanted")
    return text


AccountName = Annotated[
    str | None,
    typer.Option("--account", metavar="NAME", help="Which account, if there are several."),
]
Language = Annotated[
    str, typer.Option("--lang", metavar="en|ca|es", parser=_language, help="In which language.")
]


def whoever() -> str:
    """Return the name of the system's user, who answers for what is decided."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
