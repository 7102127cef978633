"""The user's repository: the remote `paas`, and how git finds the token for it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from urllib.parse import urlsplit

from paas.cli.errors import CliError
from paas.cli.target import Target

REMOTE = "paas"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ABSENT = (1, 5)  # exit codes of `git config`: no such key to get, to unset


class ElsewhereRemote(Exception):
    """The repository has a remote `paas` that is another address: `url`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


def inside_repository() -> bool:
    """Whether git is here and the current folder belongs to a repository."""
    return shutil.which("git") is not None and _git("rev-parse", "--git-dir").returncode == 0


def remote_url() -> str | None:
    """The address of the remote `paas` of this repository, if both exist."""
    if shutil.which("git") is None:
        return None
    found = _git("config", "--local", "--get", f"remote.{REMOTE}.url")
    return found.stdout.strip() or None if found.returncode == 0 else None


def app_of_remote(target: Target) -> str | None:
    """The app that the remote `paas` names.

    Raises:
        CliError: the remote belongs to another panel than `target`; acting on
            the app of the same name there would hit the wrong one.
    """
    url = remote_url()
    if url is None:
        return None
    remote, here = urlsplit(url), target.parts
    app = remote.path.rstrip("/").rpartition("/")[2].removesuffix(".git")
    if not app:
        return None
    same_port = remote.scheme == "ssh" or _port(remote.port, remote.scheme) == _port(
        here.port, here.scheme
    )
    if _host(remote.hostname) != _host(here.hostname) or not same_port:
        raise CliError(
            f"The git remote {REMOTE} is {url}, but this command speaks to {target.url}.",
            "Name the app with -a, or choose the panel with PAAS_HOME or PAAS_URL and PAAS_TOKEN.",
        )
    return app


def add_remote(git_url: str) -> bool:
    """Make `git_url` the remote `paas`; True if it is new, False if it was there already.

    Raises:
        ElsewhereRemote: the remote exists with another address; it is kept.
    """
    before = remote_url()
    if before is None:
        _must("remote", "add", "--", REMOTE, git_url)
        return True
    if before != git_url:
        raise ElsewhereRemote(before)
    return False


def remove_remote(git_url: str) -> bool:
    """Remove the remote `paas` if it is `git_url`."""
    if remote_url() != git_url:
        return False
    _must("remote", "remove", REMOTE)
    return True


def replace_remote(old_url: str, new_url: str) -> bool:
    """Let the remote `paas` be `new_url` if it is `old_url`."""
    if remote_url() != old_url:
        return False
    _must("remote", "set-url", REMOTE, new_url)
    return True


def remember_token(target: Target, git_url: str) -> None:
    """Let git in this repository find the token of `git_url`'s origin.

    git's own `store` keeps it in a file of mode 0600 outside the repository;
    `.git/config` names that file only. The empty first value keeps the user's
    other helpers from being asked, and from being given the token to keep.
    """
    parts = urlsplit(git_url)
    if parts.scheme not in ("http", "https"):
        return
    file = target.git_credentials
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    origin = f"protocol={parts.scheme}\nhost={parts.netloc}\n"
    store = ("credential-store", f"--file={file}")
    entry = f"{origin}username={target.user}\npassword={target.token}\n"
    _must(*store, "erase", given=origin + "\n")
    _must(*store, "store", given=entry + "\n")
    file.chmod(0o600)
    _set_helpers(
        f"credential.{parts.scheme}://{parts.netloc}.helper",
        ["", f"store --file={shlex.quote(str(file))}"],
    )


def _set_helpers(key: str, wanted: list[str]) -> None:
    now = _git("config", "--local", "--null", "--get-all", key)
    if now.returncode == 0 and now.stdout.split("\0")[:-1] == wanted:
        return
    cleared = _git("config", "--local", "--unset-all", key)
    if cleared.returncode not in (0, *_ABSENT):
        raise _failure("config", cleared)
    for value in wanted:
        _must("config", "--local", "--add", key, value)


def _must(*arguments: str, given: str | None = None) -> None:
    result = _git(*arguments, given=given)
    if result.returncode != 0:
        raise _failure(arguments[0], result)


def _failure(verb: str, result: subprocess.CompletedProcess[str]) -> CliError:
    return CliError(f"git {verb} failed: {result.stderr.strip() or result.returncode}")


def _git(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments],
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _host(name: str | None) -> str:
    host = (name or "").lower()
    return "localhost" if host in _LOOPBACK else host


def _port(port: int | None, scheme: str) -> int:
    return port or (443 if scheme == "https" else 80)
