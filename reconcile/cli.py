"""The command `efact-reconcile`: comparing the two feeds, and moving between them.

What it will do is fixed (report, record, cutover, rollback); this version answers `--help` and
`--version` only, and says so rather than half-do a comparison that somebody might sign.
"""

from typing import Annotated

import typer

from bridge import __version__

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"efact-reconcile {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Compare the two feeds, and move between them.

    The report, the cutover and the rollback come with a later version of efact-bridge.
    """
    typer.echo(context.get_help())


def main() -> None:
    """Run the command line."""
    app(prog_name="efact-reconcile")
