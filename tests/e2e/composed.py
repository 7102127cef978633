"""The services of compose.yaml as processes of this machine: the same commands and environments."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paas.launcher.tools import redis_server
from tests import postgres
from tests.e2e.world import World
from tests.packaging import compose

_PATIENCE = 60.0


@dataclass
class Composed(World):
    """A panel in front of a cluster, each part started by itself.

    `kubeconfig` is the cluster, `store` where Nix builds, `short` a folder for sockets.
    """

    kubeconfig: Path = Path()
    store: Path = Path()
    short: Path = Path()
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def machine(self) -> compose.Machine:
        variables = {
            "PAAS_PORT": str(self.port),
            "PAAS_SSH_PORT": str(self.ssh_port),
            "PAAS_RENDEZVOUS_PORT": str(self.rendezvous_port),
            "PAAS_NIX_PACKAGES": "debian",  # nixpkgs and its cache are not reachable here
            "PAAS_NIX_SUBSTITUTERS": "",
            "PAAS_NIX_TRUSTED_KEYS": "",
        }
        places = {
            "/var/lib/paas": self.home,
            "/var/lib/paas-nix": self.store,
            "/var/lib/postgresql/data": self.short / "database",
            "/data": self.short / "queue",
            "/run/paas": self.short / "run",
            "/run/redis": self.short / "redis",
            "/var/run/postgresql": self.short / "pg",
            "/run/secrets/kubeconfig": self.kubeconfig,
        }
        return compose.Machine(
            compose.read(variables), {inside: str(here) for inside, here in places.items()}
        )

    def up(self) -> None:
        """In the order that depends_on demands."""
        self.start_database()
        for folder in ("queue", "redis"):
            (self.short / folder).mkdir()
        self.start("redis")
        first, second = self.start("init", "init.1"), self.start("init", "init.2")
        assert (first.wait(_PATIENCE), second.wait(_PATIENCE)) == (0, 0), self.logs()
        for part in compose.PANEL:
            self.start(part)
        self.wait_healthy()

    def start(self, service: str, name: str = "") -> subprocess.Popen[bytes]:
        machine = self.machine()
        argv = machine.command(service)
        if argv[0] == "redis-server":
            argv[0] = str(redis_server())
        elif argv[0] == "python":
            argv[0] = sys.executable
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **{k: v for k, v in os.environ.items() if k.startswith(("UV_", "PIP_", "SSL_"))},
            **machine.environment(service),
            "PAAS_BIND": "127.0.0.1",
        }
        return self._run(name or service, argv, env=environment, cwd="/")

    def start_database(self) -> None:
        """What the image's entrypoint does, and then the command of the file."""
        machine = self.machine()
        data = Path(machine.environment("postgres")["PGDATA"])
        who = _server_user()
        for folder in (self.short / "pg", data.parent):
            folder.mkdir(parents=True)
            shutil.chown(folder, who.get("user"), who.get("group"))
        initdb = [str(postgres.tool("initdb")), "-D", str(data), "-U", "paas", "-A", "trust"]
        subprocess.run(initdb, check=True, capture_output=True, cwd="/", **who)
        _, *options = machine.command("postgres")
        argv = [str(postgres.tool("postgres")), "-D", str(data), "-k", str(self.short / "pg")]
        self._run("postgres", [*argv, *options, "-c", "fsync=off"], cwd="/", **who)
        make = [str(postgres.tool("createdb")), "-h", str(self.short / "pg"), "-U", "paas", "paas"]
        deadline = time.monotonic() + _PATIENCE
        while subprocess.run(make, capture_output=True).returncode:
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)

    def check(self, part: str) -> subprocess.CompletedProcess[str]:
        """The health check of the file."""
        machine = self.machine()
        _, _, *argv = self.machine().compose["services"][part]["healthcheck"]["test"]
        environment = machine.environment(part) | {"PATH": os.environ["PATH"]}
        return subprocess.run(
            [sys.executable, *argv], env=environment, cwd="/", capture_output=True, text=True
        )

    def tool(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """As `docker compose exec worker …`."""
        environment = self.machine().environment("worker")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            argv, env=environment | {"PATH": path}, cwd="/", capture_output=True, text=True
        )

    def _run(self, name: str, argv: list[str], **how: Any) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **how
            )
        return self.running[name]

    def logs(self) -> str:
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}"
            for log in sorted(self.folder.glob("*.log"))
        )

    def output(self) -> str:
        return self.logs()

    def stop(self) -> None:
        """The panel, then what it needs."""
        for name in [*compose.PANEL, *(set(self.running) - {*compose.PANEL, "redis", "postgres"})]:
            _end(self.running.get(name))
        _end(self.running.get("redis"))
        _end(self.running.get("postgres"))


def _server_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def composed(folder: Path, kubeconfig: Path, store: Path) -> Iterator[Composed]:
    """A panel that is up, and down again afterwards whatever happens."""
    with tempfile.TemporaryDirectory(prefix="pc-") as short:
        Path(short).chmod(0o755)  # the database's user goes through it
        world = Composed(folder, kubeconfig=kubeconfig, store=store, short=Path(short))
        world.home.mkdir()
        try:
            world.up()
            yield world
        finally:
            world.stop()
