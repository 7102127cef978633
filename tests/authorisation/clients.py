"""How each client makes an attempt, and how its answer reads."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import ClassVar, Protocol
from unittest.mock import patch

from django.http import HttpResponseBase
from django.test import Client

from paas.cli.errors import ApiError, CliError
from paas.cli.main import root
from tests.gateway.world import SshDoor


def answer_of(response: HttpResponseBase) -> str:
    """ "ok" for what is done, else the status."""
    return "ok" if 200 <= response.status_code < 400 else str(response.status_code)


def call(what: str, path: str, body: bytes, token: str) -> tuple[str, str]:
    """One request to the panel; the answer, and what was said with it."""
    headers = {"Host": "localhost"} | ({"Authorization": f"Bearer {token}"} if token else {})
    response = Client(raise_request_exception=False).generic(
        what.partition(" ")[0], path, body, content_type="application/json", headers=headers
    )
    said = "a stream" if response.streaming else response.content.decode(errors="replace")
    if response.streaming:
        response.close()
    return answer_of(response), said


class CommandLine:
    """The `paas` command, run in this process: its start alone takes longer than all else."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        subprocess.run(["git", "init", "-q", folder], check=True)
        self._git_config = (folder / ".git" / "config").read_text()

    def run(self, line: str, typed: str, token: str) -> tuple[str, str]:
        """`line` without "paas"; the answer, and what was said with it."""
        said = io.StringIO()
        with ExitStack() as stack:
            stack.enter_context(patch.dict(os.environ, self._environ(token), clear=True))
            stack.enter_context(patch.object(sys, "stdin", io.StringIO(typed)))
            stack.enter_context(patch("webbrowser.open"))
            stack.enter_context(redirect_stdout(said))
            stack.enter_context(redirect_stderr(said))
            before = Path.cwd()
            os.chdir(self._folder)
            try:
                answer = _outcome(shlex.split(line))
            finally:
                os.chdir(before)
                (self._folder / ".git" / "config").write_text(self._git_config)
        return answer[0], f"{answer[1]} {said.getvalue()}"

    def _environ(self, token: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "PAAS_URL": self._url,
            "PAAS_TOKEN": token,
            # The panel lives in this process, too.
            "PAAS_NIX_STORE": os.environ["PAAS_NIX_STORE"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(self._folder.parent),
        }


def _outcome(arguments: list[str]) -> tuple[str, str]:
    try:
        root(arguments, prog_name="paas")
    except SystemExit as end:
        return ("ok" if not end.code else f"exit {end.code}"), ""
    except CliError as error:
        return _refusal(error), error.message
    return "ok", ""


def _refusal(error: CliError) -> str:
    """The panel's status; "nothing" where the command found nothing to do it to."""
    for one in (error, error.__cause__):
        if isinstance(one, ApiError):
            return str(one.status)
    return "401" if "nobody is signed in" in error.message else "nothing"


class Transport(Protocol):
    """A way to the repositories: git over HTTP, git over SSH."""

    def attempt(self, service: str, app: str, role: str, token: str) -> tuple[str, str]:
        """Fetch ("git fetch") or push ("git push").

        Args:
            role: who comes; a transport that knows people by keys looks theirs up by it.
            token: what they bring, "" if anonymous.

        Returns:
            The answer ("ok", "401", "403", "404"), and what was said with it.
        """


class _Git:
    """git itself, with a repository that has one commit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
            self._git(command).check_returncode()

    def talk(self, service: str, url: str, **environ: str) -> subprocess.CompletedProcess[str]:
        # No deploy branch: what is pushed is stored, and nothing is built.
        push = ["push", url, f"HEAD:refs/heads/{self._folder.name}"]
        return self._git(["ls-remote", url] if service == "git fetch" else push, **environ)

    def _git(self, command: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *command],
            cwd=self._folder,
            env={**self._environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def _environ(self) -> Mapping[str, str]:
        person = {
            f"GIT_{role}_{what}": "x@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C.UTF-8",
            **person,
        }


class OverHttp:
    """Through the front door and the gateway; the token is the password."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port, self._git = port, _Git(folder)

    def attempt(self, service: str, app: str, role: str, token: str) -> tuple[str, str]:
        login = f"x:{token}@" if token else ""
        done = self._git.talk(service, f"http://{login}127.0.0.1:{self._port}/{app}.git")
        return self._answer(done), done.stderr

    def _answer(self, done: subprocess.CompletedProcess[str]) -> str:
        if done.returncode == 0:
            return "ok"
        if "could not read Username" in done.stderr or "Authentication failed" in done.stderr:
            return "401"
        if "not found" in done.stderr:
            return "404"
        status = re.search(r"The requested URL returned error: (\d+)", done.stderr)
        return status[1] if status else "failed"


class OverSsh:
    """OpenSSH's client, with the key of whoever comes; there are no statuses, only texts."""

    _TEXTS: ClassVar[Mapping[str, str]] = {
        "Permission denied (": "401",
        " !     You may see ": "403",
        " !     There is no app ": "404",
    }

    def __init__(self, door: SshDoor, folder: Path) -> None:
        self._door, self._git = door, _Git(folder)

    def attempt(self, service: str, app: str, role: str, token: str) -> tuple[str, str]:
        url, environ = self._door.url(app, role), self._door.environ(role)
        done = self._git.talk(service, url, **environ)
        return self._answer(done), done.stderr

    def _answer(self, done: subprocess.CompletedProcess[str]) -> str:
        if done.returncode == 0:
            return "ok"
        said = (answer for text, answer in self._TEXTS.items() if text in done.stderr)
        return next(said, "failed")
