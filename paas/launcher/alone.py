"""One part by itself: `python -m paas.launcher PART`, for containers, pods and systemd units.

Nobody of ours holds the parts then: whoever starts them (Docker, Kubernetes,
systemd) restarts them, too. They are the programs of `make up`, started with
the same arguments and environment, in any order, and meet in the folders
`PAAS_HOME` and `run`, which all of them must see. `init` comes first, once for
each version: it makes what is missing and migrates the database.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from paas import keys
from paas.instance import Instance, make_private
from paas.launcher import bound, checks, health, leftovers, nix, run_folder, setup
from paas.launcher.environment import parts_environment
from paas.launcher.errors import LaunchError
from paas.launcher.lock import join
from paas.launcher.orders import as_json
from paas.launcher.parts import PARTS, part_alone
from paas.launcher.supervisor_config import panel_logs
from paas.runtimes.choice import LOCAL

SILENCE = 20.0
"""Seconds without a sign of life after which a part counts as dead."""


def run(instance: Instance, arguments: list[str]) -> str:
    """Do what the command line asks for; becomes a part and returns from nothing else.

    Returns:
        What to print.

    Raises:
        LaunchError, InstanceError: it cannot be done; the text says why and what to do.
    """
    match arguments:
        case ["init"]:
            return init(instance)
        case ["check", part] if part in PARTS:
            return check(instance, part)
        case [part] if part in PARTS:
            become(instance, part)
    raise LaunchError(
        f"`{' '.join(arguments)}` is nothing to start. Use no argument for a whole instance, or "
        f"init, or one of {', '.join(PARTS)}, or check and one of these."
    )


def init(instance: Instance) -> str:
    """Look at the machine, make the keys, migrate; several at once, or again, do no harm.

    Returns:
        Where the panel is, and the first admin's name and password file.
    """
    lock = join(instance)
    try:
        with _only_one(instance.home / "init.lock"):
            checks.check_runtime()
            checks.check_git()
            checks.check_disk(instance)
            if nix.wanted():
                nix.check_nix(instance)
            keys.ensure_keys(instance)
            run_folder.take(instance)
            user = setup.prepare_database(instance)
    finally:
        os.close(lock)
    password = instance.admin_password
    where = f", password in {password}" if password.exists() else ""
    return f"The instance is ready: {instance.origin}, user {user}{where}"


def become(instance: Instance, name: str) -> None:
    """Become the part; a second one of the same name waits until the first has ended.

    Raises:
        LaunchError: it does not run alone, a program is missing, or a launcher runs already.
        InstanceError: `init` has not been here yet.
    """
    if (os.environ.get("PAAS_RUNTIME") or LOCAL) == LOCAL:
        raise LaunchError(
            "Parts run alone only where a cluster runs the apps (PAAS_RUNTIME=kubernetes): the "
            "apps of one machine are held by a supervisor of `python -m paas.launcher`."
        )
    join(instance)
    keys.read_key(instance, keys.SECRET_KEY)
    run_folder.take(instance)
    panel_logs(instance).mkdir(parents=True, exist_ok=True)
    if name == "worker":
        checks.check_isolation()
    if name == "web":
        setup.collect_static(instance)
    part = part_alone(instance, name)
    environment = parts_environment(instance)
    os.environ.clear()
    os.environ.update(environment)
    bound.become(as_json(make_private(instance.run / leftovers.PANEL), part.order))


def check(instance: Instance, name: str) -> str:
    """Whether the part is there and answers, for the health checks of who started it.

    Raises:
        LaunchError: it does not.
    """
    try:
        _CHECKS[name](instance)
    except (OSError, http.client.HTTPException) as error:
        raise LaunchError(f"{name} does not answer: {error or type(error).__name__}") from error
    return "ok"


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _alive(part: str) -> Callable[[Instance], None]:
    def look(instance: Instance) -> None:
        silence = time.time() - (instance.run / f"{part}.alive").stat().st_mtime
        if silence > SILENCE:
            raise TimeoutError(f"no sign of life for {silence:.0f} s")

    return look


def _answers(path: Path) -> None:
    """Any answer will do: /healthz of web tells of the other parts, too."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(path))
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: panel\r\nConnection: close\r\n\r\n")
        if not client.recv(12).startswith(b"HTTP/1.1 "):
            raise ConnectionError("no HTTP")


def _front_door(instance: Instance) -> None:
    status, reason = health.healthz(instance)
    if not status:
        raise ConnectionError(reason)


_CHECKS: Mapping[str, Callable[[Instance], None]] = {
    "caddy": _front_door,
    "web": lambda instance: _answers(instance.web_socket),
    "gateway": lambda instance: _answers(instance.gateway_socket),
    "worker": _alive("worker"),
    "beat": _alive("beat"),
    "observer": _alive("observer"),
}
