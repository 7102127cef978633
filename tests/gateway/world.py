"""A running gateway, its two doors for git, and people who come in by them."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from paas import keys
from paas.instance import Instance
from tests.gateway.panel import ALICE, INTERNAL_TOKEN, STRANGER, TOKENS, VIEWER, App, FakePanel

PATIENCE = 60.0  # seconds; generous, a bound and no measure


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)


def make_instance(home: Path, run: Path) -> Instance:
    instance = Instance(
        home, run, 8080, free_port(), "127.0.0.1", "localhost", rendezvous_port=free_port()
    )
    for folder in (
        instance.keys,
        instance.repositories,
        instance.sources,
        instance.build_logs,
        instance.run,
    ):
        folder.mkdir(parents=True, mode=0o700)
    (instance.keys / "internal_token").write_text(INTERNAL_TOKEN)
    (instance.keys / "internal_token").chmod(0o600)
    keys.ensure_keys(instance)
    return instance


class Gateway:
    """The real process."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.log = instance.home / "gateway.log"

    def start(self, **more: str) -> None:
        environ = more | {
            "PATH": os.environ["PATH"],
            "PAAS_HOME": str(self.instance.home),
            "PAAS_RUN": str(self.instance.run),
            "PAAS_SSH_PORT": str(self.instance.ssh_port),
            "PAAS_RENDEZVOUS_PORT": str(self.instance.rendezvous_port),
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "paas.gateway"], env=environ, stderr=log
            )
        wait_for(self.healthy, "the gateway answers")

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def healthy(self) -> bool:
        try:
            return self.request(b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(str(self.instance.gateway_socket))
        return connection

    def request(self, data: bytes) -> bytes:
        """Send raw bytes and read until the gateway closes."""
        with self.connect() as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))


class Door(Protocol):
    """A way in for git."""

    def url(self, app: str, who: str) -> str: ...

    def environ(self, who: str) -> dict[str, str]:
        """What git needs to come in as `who`."""
        ...


class SshDoor:
    """OpenSSH's client with keys of people, and a known host key."""

    def __init__(self, instance: Instance, folder: Path) -> None:
        self.folder, self.port = folder, instance.ssh_port
        folder.mkdir(parents=True)
        host_key = subprocess.run(
            ["ssh-keygen", "-y", "-f", instance.keys / keys.SSH_HOST_KEY],
            capture_output=True,
            text=True,
            check=True,
        )
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {host_key.stdout}")

    @classmethod
    def of_people(cls, panel: FakePanel, folder: Path) -> SshDoor:
        """With a key for everybody; the panel knows all but the stranger's."""
        door = cls(panel.instance, folder)
        for who in (ALICE, VIEWER, STRANGER):
            fingerprint = door.make_key(who)
            if who != STRANGER:
                panel.keys[fingerprint] = who
        return door

    def key(self, who: str) -> Path:
        return self.folder / who

    def make_key(self, who: str, *options: str) -> str:
        """Make a key pair; returns its fingerprint."""
        command = ["ssh-keygen", "-q", "-N", "", "-C", who, "-f", self.key(who)]
        subprocess.run([*command, *(options or ("-t", "ed25519"))], check=True)
        shown = subprocess.run(
            ["ssh-keygen", "-l", "-f", self.key(who)], capture_output=True, text=True, check=True
        )
        return shown.stdout.split()[1]

    def command(self, who: str, *options: str) -> list[str]:
        """`ssh` as `who`, for a command to be added."""
        return ["ssh", *self.options(who), *options, "git@127.0.0.1"]

    def options(self, who: str) -> list[str]:
        """This key and this host only, and nothing of the machine's own settings."""
        settings = {
            "IdentityFile": f'"{self.key(who)}"',
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": f'"{self.known_hosts}"',
            "StrictHostKeyChecking": "yes",
        }
        pairs = (("-o", f"{name}={value}") for name, value in settings.items())
        return ["-F", "none", "-o", f"Port={self.port}", *(part for pair in pairs for part in pair)]

    def url(self, app: str, who: str) -> str:
        return f"ssh://git@127.0.0.1:{self.port}/{app}.git"

    def environ(self, who: str) -> dict[str, str]:
        return {"GIT_SSH_COMMAND": shlex.join(["ssh", *self.options(who)])}


class FrontDoor:
    """Caddy on a free port, which sends everything to the gateway."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.port = free_port()

    def url(self, app: str, who: str) -> str:
        return f"http://x:{TOKENS.get(who, 'wrong')}@127.0.0.1:{self.port}/{app}.git"

    def environ(self, who: str) -> dict[str, str]:
        return {}

    def start(self) -> None:
        upstream = {"dial": f"unix/{self.instance.gateway_socket}"}
        handler = {"handler": "reverse_proxy", "upstreams": [upstream]}
        server = {"listen": [f"127.0.0.1:{self.port}"], "routes": [{"handle": [handler]}]}
        http = {"servers": {"git": server}, "grace_period": "1s"}
        config = {"admin": {"disabled": True}, "apps": {"http": http}}
        path = self.instance.run / "caddy.json"
        path.write_text(json.dumps(config))
        caddy = Path(sys.executable).with_name("caddy")
        self.process = subprocess.Popen(
            [caddy, "run", "--config", path],
            env={"HOME": str(self.instance.home), "PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._answers, "Caddy answers")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


class Person:
    """Somebody with a work tree and a remote `paas`, who comes in by `door` as `who`."""

    def __init__(self, folder: Path, door: Door, who: str = ALICE) -> None:
        self.folder, self.door, self.who = folder, door, who
        folder.mkdir()
        self.git("init", "-q", "-b", "main")

    def clone_url(self, app: App | str) -> str:
        return self.door.url(app if isinstance(app, str) else app.name, self.who)

    def remote(self, app: App | str) -> Person:
        self.git("remote", "add", "paas", self.clone_url(app))
        return self

    def commit(self, message: str = "Change", **files: str | bytes) -> str:
        for name, content in (files or {"app.py": os.urandom(8).hex()}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def make_object(self, kind: str, content: bytes) -> str:
        """Store an object that git itself would not make."""
        made = subprocess.run(
            ["git", "hash-object", "-w", "-t", kind, "--stdin", "--literally"],
            cwd=self.folder,
            env=self.environ,
            input=content,
            capture_output=True,
            check=True,
        )
        return made.stdout.decode().strip()

    def git(self, *args: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *args],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=check,
            timeout=PATIENCE * 2,
        )

    def push(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self.git("push", "paas", *(args or ("main",)), check=False)

    def start_push(self, *args: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["git", "push", "paas", *(args or ("main",))],
            cwd=self.folder,
            env=self.environ | environ,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C.UTF-8",
            "GIT_AUTHOR_NAME": "Alice",
            "GIT_AUTHOR_EMAIL": "alice@example.com",
            "GIT_COMMITTER_NAME": "Alice",
            "GIT_COMMITTER_EMAIL": "alice@example.com",
            **self.door.environ(self.who),
        }


def leave(push: subprocess.Popen[str], number: signal.Signals) -> None:
    """End a push as a terminal does: git and the helper that holds the connection."""
    os.killpg(push.pid, number)
    push.communicate(timeout=PATIENCE)


def refs(app: App) -> dict[str, str]:
    """The references of the app's repository."""
    listing = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname) %(objectname)"],
        cwd=app.repository,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split(" ", 1) for line in listing.stdout.splitlines())


def remote_lines(push: subprocess.CompletedProcess[str]) -> list[str]:
    """What the server said, without git's decoration."""
    lines = (line.rstrip() for line in push.stderr.splitlines())
    return [line.removeprefix("remote:")[1:] for line in lines if line.startswith("remote:")]
