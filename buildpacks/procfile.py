"""The Procfile: which processes an app has.

Grammar (Heroku Dev Center, "The Procfile"): lines of `<type>: <command>`,
types match `^[-\\w]{1,128}$` (ASCII). Empty lines and `#` comments are
skipped. Commands are kept as they are: they are run by `sh -c` in the sandbox.
"""

from __future__ import annotations

import re

from buildpacks.errors import PlanError, shown
from buildpacks.tree import SourceTree

PROCFILE = "Procfile"
MAX_PROCFILE = 64 * 1024
RESERVED = frozenset({"run"})  # one-off processes are called run.1234
_MISSPELLED = ("procfile", "PROCFILE", "ProcFile", "Procfile.txt", "Procfile.yml", "Profile")
_TYPE = re.compile(r"[-\w]{1,128}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def read_procfile(tree: SourceTree) -> dict[str, str] | None:
    """Process types and their commands in the file's order; None when there is no Procfile.

    Raises:
        PlanError: a line is not `<type>: <command>`, or a type is named twice.
    """
    text = tree.read(PROCFILE, MAX_PROCFILE)
    if text is None:
        return None
    processes: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, command = _entry(stripped, number)
        if name in processes:
            raise _broken(f'names "{name}" twice', number, "Each process type has one command.")
        processes[name] = command
    return processes


def misspelling(tree: SourceTree) -> str | None:
    """A file that looks as if it were meant to be the Procfile."""
    if PROCFILE in tree.entries:
        return None
    return next((name for name in _MISSPELLED if name in tree.entries), None)


def check_type(name: str, file: str, where: str) -> str:
    """`name`, if it may be a process type.

    Raises:
        PlanError: it may not; `where` says where in `file` it stands.
    """
    if _TYPE.fullmatch(name) and name not in RESERVED:
        return name
    reason = (
        'The name "run" is kept for one-off processes.'
        if name in RESERVED
        else "A name has 1 to 128 letters, digits, `-` and `_`."
    )
    raise PlanError(
        f'{where}: "{shown(name)}" cannot be the name of a process type',
        why=reason,
        fix=f"Rename it in {file}, for example to `web` or `worker`.",
        file=file,
    )


def check_command(command: str, file: str, where: str) -> str:
    """`command`, if it is one line of text without control characters.

    Raises:
        PlanError: it is empty or holds control characters.
    """
    if command.strip() and not _CONTROL.search(command):
        return command
    raise PlanError(
        f"{where} has no command that can be run",
        why="The command is empty." if not command.strip() else "It holds control characters.",
        fix=f"Write the command out in {file}, as you would type it in a shell.",
        file=file,
    )


def _entry(line: str, number: int) -> tuple[str, str]:
    name, colon, command = line.partition(":")
    if not colon:
        raise _broken(f'has no colon: "{shown(line)}"', number, "A line is `<type>: <command>`.")
    name, where = name.rstrip(), f"line {number}"
    return check_type(name, PROCFILE, where), check_command(command.strip(), PROCFILE, where)


def _broken(what: str, number: int, why: str) -> PlanError:
    return PlanError(
        f"line {number} {what}",
        why=why,
        fix="Write lines like `web: gunicorn app:app` and commit the Procfile.",
        file=PROCFILE,
    )
