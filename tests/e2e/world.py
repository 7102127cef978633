"""A whole instance with real processes, and what a user does with it."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLES = CHECKOUT / "tests" / "apps"
READY_WITHIN = 60.0
_SOURCES = {".py", ".js", ".go", ".rb", ".php", ".rs"}
_VERSION = re.compile(r'(\bVERSION(?:: &str)? = )".*"')


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Answer:
    status: int
    body: str
    headers: Mapping[str, str]


@dataclass
class World:
    """One instance in a folder of its own; `home` is its PAAS_HOME."""

    folder: Path
    port: int = field(default_factory=free_port)
    ssh_port: int = field(default_factory=free_port)
    rendezvous_port: int = field(default_factory=free_port)
    extra: dict[str, str] = field(default_factory=dict)
    launcher: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell has, without anything of the surrounding project."""
        bin_dir = Path(sys.executable).parent
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PAAS_", "DJANGO_"))}
        return {
            **kept,
            "PATH": f"{bin_dir}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PAAS_HOME": str(self.home),
            "PAAS_PORT": str(self.port),
            "PAAS_SSH_PORT": str(self.ssh_port),
            "PAAS_RENDEZVOUS_PORT": str(self.rendezvous_port),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Test",
            "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "Test",
            "GIT_COMMITTER_EMAIL": "test@example.org",
            "NO_COLOR": "1",
            "PAAS_API_CALLS_PER_HOUR": "1000000",  # all of a run's tests are one user
            **self.extra,
        }

    # --- the instance -----------------------------------------------------
    def up(self) -> None:
        """`make up`, until /healthz says 200."""
        log = (self.folder / "up.log").open("ab")
        self.launcher = subprocess.Popen(
            [sys.executable, "-m", "paas.launcher"],
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self.wait_healthy()

    def wait_healthy(self, seconds: float = READY_WITHIN) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.launcher is not None and self.launcher.poll() is not None:
                raise AssertionError(f"make up ended:\n{self.output()}")
            try:
                if self.get("/healthz").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not healthy after {seconds} s:\n{self.output()}")

    def down(self, how: int = signal.SIGINT) -> int:
        """Ctrl-C."""
        assert self.launcher is not None
        self.launcher.send_signal(how)
        status = self.launcher.wait(timeout=60)
        self.launcher = None
        return status

    def output(self) -> str:
        return (self.folder / "up.log").read_text(errors="replace")[-8000:]

    # --- what a user does -------------------------------------------------
    def paas(
        self, *arguments: str, cwd: Path | None = None, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """The `paas` command."""
        return self.shell(["paas", *arguments], cwd=cwd, check=check, timeout=timeout)

    def git(
        self, *arguments: str, cwd: Path, check: bool = True, timeout: float = 180
    ) -> subprocess.CompletedProcess[str]:
        return self.shell(["git", *arguments], cwd=cwd, check=check, timeout=timeout)

    def shell(
        self, argv: list[str], *, cwd: Path | None, check: bool, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            argv,
            cwd=cwd or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{' '.join(argv)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def repository(self, sample: str, name: str) -> Path:
        """A fresh git repository with a sample app in it, committed on main."""
        folder = self.folder / name
        shutil.copytree(SAMPLES / sample, folder)
        self.git("init", "-q", "-b", "main", cwd=folder)
        self.commit(folder, "First")
        return folder

    def commit(self, folder: Path, message: str) -> None:
        self.git("add", "-A", cwd=folder)
        self.git("commit", "-q", "-m", message, cwd=folder)

    def set_version(self, folder: Path, text: str) -> None:
        """The one-line change: what the sample app says, committed."""
        (source,) = [
            path
            for path in folder.rglob("*.*")
            if path.suffix in _SOURCES and _VERSION.search(path.read_text())
        ]
        source.write_text(_VERSION.sub(rf'\1"{text}"', source.read_text()))
        self.commit(folder, text)

    # --- looking from outside --------------------------------------------
    def get(
        self,
        path: str = "/",
        *,
        app: str | None = None,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        timeout: float = 10,
    ) -> Answer:
        """One request through the front door, to the panel or to an app."""
        host = f"{app}.localhost" if app else "localhost"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            sent = {"Host": f"{host}:{self.port}", **(headers or {})}
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
            return Answer(response.status, text, dict(response.getheaders()))
        finally:
            connection.close()

    def wait_for(self, text: str, *, app: str, path: str = "/", seconds: float = 30) -> Answer:
        """Until the app answers with `text`."""
        deadline = time.monotonic() + seconds
        answer = None
        while time.monotonic() < deadline:
            try:
                answer = self.get(path, app=app)
                if text in answer.body:
                    return answer
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"{app} never said {text!r}; last: {answer}")

    def api(self, method: str, path: str, body: object = None) -> tuple[int, object]:
        """The REST API with the CLI's own token."""
        token = json.loads((self.home / "credentials.json").read_text())["token"]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(
            method,
            path,
            body=None if body is None else json.dumps(body),
            headers={
                "Host": f"localhost:{self.port}",
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
            },
        )
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, json.loads(text) if text else None


@contextmanager
def running(folder: Path, **extra: str) -> Iterator[World]:
    """A world that is up, and down again afterwards whatever happens."""
    world = World(folder, extra=extra)
    try:
        world.up()
        yield world
    finally:
        if world.launcher is not None and world.launcher.poll() is None:
            world.down()
