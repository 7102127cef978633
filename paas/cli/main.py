"""The entry point of `paas`: runs the command, and turns what failed into a text."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from paas.cli.console import show_error
from paas.cli.errors import USAGE, CliError
from paas.cli.registry import LazyGroup
from paas.instance import InstanceError

INTERRUPTED = 130  # 128 + SIGINT, the shells' convention

root = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # slow to import, seldom needed

        print(f"paas {version('paas')}")
        raise typer.Exit


@root.callback()
def paas(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Deploy apps with git push: create one, push to it, look after it.

    Example: paas create hello && git push paas main
    """


def main() -> None:
    """Run the command of `sys.argv`; exits 0, 1 (failure), 2 (usage) or 130 (Ctrl-C)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        _refuse_undecodable(sys.argv[1:])
        root(prog_name="paas")
    except CliError as error:
        _fail(error, error.message, error.hint, error.exit_code)
    except InstanceError as error:
        _fail(error, str(error), "", 1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        hint = "This is a fault of paas itself. PAAS_DEBUG=1 shows where."
        _fail(error, f"{type(error).__name__}: {error}", hint, 1)


def _fail(error: Exception, message: str, hint: str, exit_code: int) -> None:
    if os.environ.get("PAAS_DEBUG"):
        raise error
    show_error(message, hint)
    sys.exit(exit_code)


def _refuse_undecodable(arguments: list[str]) -> None:
    """Bytes that are not UTF-8 arrive as lone surrogates, which no request can carry."""
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError:
        raise CliError("An argument is not valid UTF-8.", exit_code=USAGE) from None
