"""What concerns the machine that runs the panel: these do not go over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from paas.cli.console import note, say, show_json
from paas.cli.errors import CliError
from paas.cli.options import Json, new_group

commands = new_group()

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]


@commands.command("doctor")
def doctor(json: Json = False) -> None:
    """Say what this machine lacks to run the panel well, and how to get it.

    Example: paas doctor
    """
    with _told():
        code = import_module("paas.launcher.doctor").main(json)
    raise typer.Exit(code)


@commands.command("backup")
def backup(
    file: File,
    artifacts: Annotated[
        bool, typer.Option("--artifacts", help="With what was built: apps start at once.")
    ] = False,
    json: Json = False,
) -> None:
    """Save this machine's panel (database, repositories, keys) to a file.

    Example: paas backup paas.tar
    """
    with _told():
        manifest = import_module("paas.launcher.backup").backup(file, artifacts=artifacts)
    if json:
        show_json(asdict(manifest))
    else:
        say(f"Saved to {file}.")


@commands.command("restore")
def restore(
    file: File,
    force: Annotated[
        bool, typer.Option("--force", help="Set aside the panel that is here already.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring a saved panel back on this machine.

    Example: paas restore paas.tar
    """
    with _told():
        restored = import_module("paas.launcher.backup").restore(file, force=force)
    if json:
        return show_json({**asdict(restored.manifest), "set_aside": str(restored.set_aside or "")})
    if restored.set_aside:
        note(f"What was here before lies in {restored.set_aside}.")
    return say(f"Restored from {file}. Start it: make up")


@contextmanager
def _told() -> Iterator[None]:
    """What the launcher refuses is the user's to know, in its own words."""
    from paas.launcher.errors import LaunchError

    try:
        yield
    except LaunchError as error:
        raise CliError(str(error)) from error
    except OSError as error:
        raise CliError(f"{error.filename or 'A file'}: {error.strerror or error}.") from error
