"""`paas help [COMMAND]`, the other spelling of `--help`."""

from __future__ import annotations

from typing import Annotated

import typer

from paas.cli.errors import UsageError
from paas.cli.options import new_group
from paas.cli.registry import LazyGroup

commands = new_group()


@commands.command("help")
def show(
    context: typer.Context,
    command: Annotated[
        str | None, typer.Argument(metavar="COMMAND", help="Default: all of them.")
    ] = None,
) -> None:
    """Show all commands, or how to use one.

    Example: paas help config:set
    """
    root = context.find_root()
    if command is None:
        print(root.get_help())
        return
    found = root.command.get_command(root, command) if isinstance(root.command, LazyGroup) else None
    if found is None:
        raise UsageError(f"There is no command {command}.", "See all: paas help")
    with type(root)(found, info_name=command, parent=root) as inner:
        print(inner.get_help())
