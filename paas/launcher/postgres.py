"""Dump and load a PostgreSQL database with its own tools, the password in the environment only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from paas.launcher.errors import LaunchError


def is_url(url: str) -> bool:
    """Whether DATABASE_URL names a PostgreSQL database."""
    return urlsplit(url).scheme in ("postgres", "postgresql")


def dump(url: str, target: Path) -> Path:
    """Dump the database at `url` into the file `target` (pg_dump's custom format).

    Raises:
        LaunchError: `pg_dump` is missing or failed.
    """
    _run(url, ["pg_dump", "--format=custom", "--no-owner", f"--file={target}"])
    return target


def load(url: str, source: Path) -> None:
    """Load a dump into the database at `url`, all or nothing.

    Raises:
        LaunchError: `pg_restore` is missing or failed.
    """
    name = _environment(url)["PGDATABASE"]
    options = ["--clean", "--if-exists", "--no-owner", "--single-transaction"]
    _run(url, ["pg_restore", *options, f"--dbname={name}", str(source)])


def connect(url: str) -> Any:
    """A connection that commits when its `with` block ends well."""
    import psycopg  # a second of start-up that only a restore pays

    return psycopg.connect(url)


def is_in_use(url: str) -> bool:
    """Whether the database at `url` holds an instance's tables.

    Raises:
        LaunchError: it does not answer.
    """
    import psycopg

    try:
        with connect(url) as connection:
            (table,) = connection.execute("SELECT to_regclass('django_migrations')").fetchone()
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[-1]
        raise LaunchError(f"The database of DATABASE_URL does not answer: {reason}") from error
    return table is not None


def _run(url: str, command: Sequence[str]) -> None:
    if shutil.which(command[0]) is None:
        raise LaunchError(
            f"{command[0]} was not found, and DATABASE_URL is a PostgreSQL database. "
            "Install PostgreSQL's client tools (Debian: apt install postgresql-client)."
        )
    environment = {**os.environ, **_environment(url)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        *_, reason = done.stderr.strip().splitlines() or ["it said nothing"]
        raise LaunchError(f"{command[0]} failed: {reason}")


def _environment(url: str) -> dict[str, str]:
    """libpq's variables; see "Environment Variables" in PostgreSQL's libpq manual."""
    parts = urlsplit(url)
    found = {
        "PGHOST": unquote(parts.hostname or ""),
        "PGPORT": str(parts.port or ""),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
    }
    return {name: value for name, value in found.items() if value}
