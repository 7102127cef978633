"""How the gateway starts git: argument lists and an environment of its own.

Nothing of the machine's or a user's git configuration applies, so a push
means the same everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

LARGEST_PACK = 1024 * 1024 * 1024
"""Bytes one push may send (Heroku: 1 GB)."""

_KEEP_ALIVE = 5  # seconds of a hook's silence after which receive-pack sends an empty packet

# Old commits made by broken tools: harmless, and their authors cannot change them.
_HARMLESS = ("badTimezone", "missingSpaceBeforeDate", "zeroPaddedFilemode")


def base_environment() -> dict[str, str]:
    """What every git process of the gateway gets, and all of it."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }


def service_command(service: str, repository: Path, hooks: Path, modes: Sequence[str]) -> list[str]:
    """The command line of `git upload-pack` or `git receive-pack` with its options `modes`."""
    settings = _receive_settings(hooks) if service == "git-receive-pack" else {}
    settings["safe.directory"] = "*"  # the path is the panel's own, whoever owns it
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return ["git", *options, service.removeprefix("git-"), *modes, "--", str(repository)]


async def start(
    command: list[str], environment: Mapping[str, str], *, stdin: int = PIPE, stdout: int = PIPE
) -> Process:
    """Start `command` in a session of its own, so that a Ctrl-C at `make up` cannot hit it."""
    return await asyncio.create_subprocess_exec(
        *command, stdin=stdin, stdout=stdout, env=environment, cwd="/", start_new_session=True
    )


async def read_start(
    command: list[str], environment: Mapping[str, str], *, stdin: bytes = b"", limit: int
) -> bytes:
    """Run `command` and return the first `limit` bytes it prints; the rest is not waited for."""
    process = await start(command, environment)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(stdin)
        process.stdin.close()
        return await process.stdout.readexactly(limit)
    except asyncio.IncompleteReadError as error:
        await process.wait()
        return error.partial
    finally:
        kill(process)


def kill(process: Process) -> None:
    """End `process` at once; harmless when it has ended."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def _receive_settings(hooks: Path) -> dict[str, str]:
    return {
        "core.hooksPath": str(hooks),
        "receive.fsckObjects": "true",
        "receive.maxInputSize": str(LARGEST_PACK),
        "receive.keepAlive": str(_KEEP_ALIVE),
        "receive.denyDeletes": "false",
        "receive.denyNonFastForwards": "false",
        "receive.denyDeleteCurrent": "ignore",  # the hook guards the deploy branch
        **{f"receive.fsck.{name}": "ignore" for name in _HARMLESS},
    }
