"""Who is signed in where: `paas login` keeps one token per panel, in a private file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from paas.cli.errors import CliError


@dataclass(frozen=True)
class Login:
    """A token of `user`; `authorization` is its id, so that it can be revoked."""

    token: str
    user: str
    authorization: str


def config_dir(env: Mapping[str, str]) -> Path:
    """XDG Base Directory: `$XDG_CONFIG_HOME`, else `~/.config`."""
    return Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "paas"


class Logins:
    """The file `logins.json`: a login per address, and which address was used last.

    Raises:
        CliError: the file cannot be read or is damaged.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._path = config_dir(env) / "logins.json"
        self._facts = self._read()

    @property
    def current(self) -> str | None:
        """The address last signed in to, unless that has ended."""
        url: str | None = self._facts.get("current")
        return url if url in self._logins else None

    def at(self, url: str) -> Login | None:
        """The login at the panel `url`."""
        found = self._logins.get(url)
        try:
            return Login(**found) if found else None
        except TypeError:
            raise self._damaged() from None

    def keep(self, url: str, login: Login) -> None:
        self._logins[url] = asdict(login)
        self._facts["current"] = url
        self._write()

    def forget(self, url: str) -> None:
        if self._logins.pop(url, None) is not None:
            self._write()

    @property
    def _logins(self) -> dict[str, Any]:
        logins: dict[str, Any] = self._facts["logins"]
        return logins

    def _read(self) -> dict[str, Any]:
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {"current": None, "logins": {}}
        except OSError as error:
            raise CliError(f"{self._path} cannot be read: {error.strerror}.") from error
        except ValueError:
            raise self._damaged() from None
        if not isinstance(facts, dict) or not isinstance(facts.get("logins"), dict):
            raise self._damaged()
        return facts

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(self._facts, file, indent=1)
        draft.rename(self._path)

    def _damaged(self) -> CliError:
        return CliError(f"{self._path} is damaged.", "Remove it and sign in again: paas login")
