"""The command `af3`: each command is a few lines of calls.

What needs PyTorch is imported inside the commands, so that help is instant.
"""

import os
import sys
from pathlib import Path
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


def show_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"af3 {__version__}")
        raise typer.Exit()
    return wanted


@app.callback()
def af3(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """AlphaFold 3 in PyTorch."""


weights = typer.Typer(help="Weight files: what there is, what a file holds, and conversion.", no_args_is_help=True)
app.add_typer(weights, name="weights")
WeightPath = Annotated[Path, typer.Argument(metavar="FILE", help="A weight file, a part of one, or the folder of one.")]


@weights.command("list")
def list_weights() -> None:
    """The published models that load: size, licence, and where they are."""
    from alphafold3_pytorch.weights import report

    report.print_tables(*report.models_tables())


@weights.command("inspect")
def inspect_weights(file: WeightPath) -> None:
    """What a file holds: family, model, parameters, what is used of it, settings, licence."""
    from alphafold3_pytorch.weights import report

    report.print_tables(report.inspect_table(file))


@weights.command("convert")
def convert_weights(
    file: WeightPath,
    to: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    layout: Annotated[
        str, typer.Option(help="native (.safetensors), or back to alphafold3 (.bin.zst), protenix or openfold3 (.pt).")
    ] = "native",
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16; if not given, as in the file.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the weights of any family as a file of this package, or back in the layout of their owner."""
    from alphafold3_pytorch.weights.convert import convert

    typer.echo(f"wrote {convert(file, to, layout, dtype, force)}")


@weights.command("verify")
def verify_weights(file: WeightPath) -> None:
    """Whether a file is sound: complete, every value finite, constants as expected, nothing lost by loading."""
    from alphafold3_pytorch.weights import report

    checks = report.verify(file)
    report.print_tables(report.verify_table(file, checks))
    raise typer.Exit(0 if all(check.passed for check in checks) else 1)


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
