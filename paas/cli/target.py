"""Which panel the command speaks to, and with which token."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from paas import instance
from paas.cli.errors import CliError
from paas.cli.logins import Logins, config_dir

HOW_TO_SIGN_IN = (
    "Sign in: paas login URL. Or start the panel with `make up` on this machine, or set PAAS_URL "
    "and PAAS_TOKEN (make a token with `paas authorizations:create` where you are signed in)."
)


@dataclass(frozen=True)
class Target:
    """One panel and how to enter it.

    `git_credentials` is the file in which git finds the token: beside the
    instance's own credentials, else in the user's configuration folder.
    """

    url: str
    token: str
    user: str
    git_credentials: Path

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)


def find_target(environ: Mapping[str, str] | None = None) -> Target:
    """`PAAS_URL` with `PAAS_TOKEN`, else the login there, else this machine's own credentials.

    Without `PAAS_URL`, the panel is that of `PAAS_HOME` if this is set, else
    the one last signed in to, else that of the default home.

    Raises:
        CliError: nothing of it is there, or something is unusable.
    """
    env = os.environ if environ is None else environ
    url, token = env.get("PAAS_URL", "").strip().rstrip("/"), env.get("PAAS_TOKEN", "")
    if url and token:
        return _checked(url, token, "paas", _git_credentials(env))
    if token:
        raise CliError("PAAS_URL is not set; PAAS_URL and PAAS_TOKEN belong together.")
    logins = Logins(env)
    url = url or panel_url(env, logins)
    if login := logins.at(url):
        return _checked(url, login.token, login.user, _git_credentials(env))
    if env.get("PAAS_URL"):
        raise CliError(
            f"PAAS_TOKEN is not set, and nobody is signed in at {url}.",
            f"Sign in: paas login {url}",
        )
    home = instance.current(env)
    return _from_file(home.credentials, home.home / "git-credentials")


def panel_url(env: Mapping[str, str], logins: Logins) -> str:
    """The address of the panel that is meant when `PAAS_URL` does not say."""
    if not env.get("PAAS_HOME") and logins.current:
        return logins.current
    here = instance.current(env)
    try:
        return _from_file(here.credentials, Path(os.devnull)).url  # the port it really has
    except CliError:
        return here.origin


def anonymous(url: str) -> Target:
    """The panel at `url` without a token: to sign in, to accept an invitation.

    Raises:
        CliError: it is no panel's address.
    """
    url = url.strip().rstrip("/")
    if not _is_origin(url):
        raise CliError(f"The panel's address {url!r} is none. Use http(s)://host[:port].")
    return Target(url, "", "", Path(os.devnull))


def _from_file(path: Path, git_credentials: Path) -> Target:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        url, token, user = facts["url"], facts["token"], facts["user"]
    except FileNotFoundError:
        raise CliError(f"No credentials: {path} does not exist.", HOW_TO_SIGN_IN) from None
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}.", HOW_TO_SIGN_IN) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CliError(
            f"{path} is damaged.", "Remove it and run `make up` again: it is written anew."
        ) from error
    return _checked(str(url), str(token), str(user), git_credentials)


def _checked(url: str, token: str, user: str, git_credentials: Path) -> Target:
    url, token = anonymous(url).url, token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CliError("The token is empty or has characters no token has.", HOW_TO_SIGN_IN)
    return Target(url, token, user, git_credentials)


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = not (parts.username or parts.query or parts.fragment)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain and port != 0


def _git_credentials(env: Mapping[str, str]) -> Path:
    return config_dir(env) / "git-credentials"
