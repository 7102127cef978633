"""A real supervisord and a real Caddy of one instance, for the tests to use and to kill."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from paas.instance import Instance, current
from paas.runtimes.local import LocalRuntime
from paas.runtimes.local.frontdoor import caddy_config
from paas.runtimes.local.supervisor import write_supervisor_config

PATIENCE = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], object], *, within: float = PATIENCE) -> None:
    """Wait until `condition()` is true; fail the test if it does not come true."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"did not come true: {condition}"
        time.sleep(0.02)


class World:
    """One instance's apps supervisord and front door; `settings` are variables beside its own."""

    def __init__(self, **settings: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="paas-rt-"))
        environ = {"PAAS_HOME": str(self.root / "home"), "PAAS_PORT": str(free_port())}
        self.instance: Instance = current(environ | settings)
        self.supervisord: subprocess.Popen[bytes] | None = None
        self.caddy: subprocess.Popen[bytes] | None = None

    def runtime(self, *, boot_timeout: float = 20.0, stop_timeout: float = 20.0) -> LocalRuntime:
        return LocalRuntime(self.instance, boot_timeout=boot_timeout, stop_timeout=stop_timeout)

    # --- the servers ----------------------------------------------------------
    def start(self) -> None:
        self.start_supervisord()
        self.start_caddy()

    def start_supervisord(self) -> None:
        config = write_supervisor_config(self.instance)
        module = ("-m", "supervisor.supervisord")
        self.supervisord = self._spawn(sys.executable, *module, "-c", str(config))
        eventually(lambda: _connects(self.instance.apps_supervisor_socket))

    def start_caddy(self) -> None:
        self.instance.router_log.parent.mkdir(parents=True, exist_ok=True)
        config = self.root / "caddy.json"
        config.write_text(json.dumps(caddy_config(self.instance)))
        self.caddy = self._spawn(_caddy(), "run", "--config", str(config))
        eventually(lambda: _status(self) is not None)

    def stop(self) -> None:
        for process in (self.caddy, self.supervisord):
            if process is not None and process.poll() is None:
                process.terminate()
        for process in (self.caddy, self.supervisord):
            if process is not None:
                process.wait(60)
        shutil.rmtree(self.instance.run, ignore_errors=True)
        subprocess.run(["rm", "-rf", "--", self.root], check=False)

    def _spawn(self, *argv: str) -> subprocess.Popen[bytes]:
        out = (self.root / (Path(argv[0]).name + ".out")).open("ab")
        return subprocess.Popen(argv, stdout=out, stderr=out, start_new_session=True)

    # --- requests ---------------------------------------------------------------
    def get(
        self, host: str, path: str = "/", method: str = "GET", **headers: str
    ) -> tuple[int, str]:
        """One request through the front door: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.instance.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, headers={"Host": host, **headers})
            response = connection.getresponse()
            return response.status, response.read().decode()


def _caddy() -> str:
    """Beside this interpreter, where the wheel puts it, else on PATH."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    found = shutil.which("caddy", path=tools)
    assert found is not None
    return found


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _status(world: World) -> int | None:
    with contextlib.suppress(OSError):
        return world.get("nobody.localhost")[0]
    return None
