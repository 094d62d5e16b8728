"""The command `af3`: each command is a few lines of calls.

What needs PyTorch is imported inside the commands, so that help is instant.
"""

import os
import sys
from typing import Annotated

import typer

from alphafold3_pytorch import __version__

app = typer.Typer(
    name="af3",
    help="AlphaFold 3 in PyTorch.",
    epilog="A mistake in the input ends in one line and exit code 2. AF3_DEBUG=1 shows where it was found.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"af3 {__version__}")
        raise typer.Exit()


@app.callback()
def af3(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """AlphaFold 3 in PyTorch."""


def one_line(error: Exception) -> str:
    """What went wrong, and with which file, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def main() -> None:
    """Entry point. Errors that the user can mend (a value, a file) become one line on stderr and exit code 2."""
    try:
        app()
    except (ValueError, OSError) as error:
        if os.environ.get("AF3_DEBUG"):
            raise
        print(f"af3: {one_line(error)}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
