"""What the machine must offer before anything is started."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from paas.instance import Instance
from paas.launcher.errors import LaunchError
from paas.runtimes.base import RuntimeFailure
from paas.runtimes.choice import KUBERNETES, LOCAL, misfit
from paas.sandbox import probe

MINIMUM_GIT = (2, 31)
MINIMUM_FREE_MB = 500


def git_version() -> tuple[int, ...] | None:
    """The version of `git` on PATH, or None without one."""
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"(\d+)\.(\d+)", done.stdout)
    return tuple(int(part) for part in found.groups()) if found else None


def check_git() -> str:
    """The version of git, as text.

    Raises:
        LaunchError: there is none, or it is too old to keep pushes in quarantine as we need it.
    """
    version = git_version()
    wanted = ".".join(map(str, MINIMUM_GIT))
    if version is None:
        raise LaunchError(f"git was not found. Install git {wanted} or newer (apt install git).")
    text = ".".join(map(str, version))
    if version < MINIMUM_GIT:
        raise LaunchError(f"git is {text}; pushes need {wanted} or newer. Upgrade git.")
    return text


def free_megabytes(path: Path) -> int:
    """Free space, in MB, where `path` is or will be."""
    existing = next(p for p in (path, *path.parents) if p.exists())
    return shutil.disk_usage(existing).free // 1_000_000


def check_runtime() -> str:
    """Where apps run, as text.

    Raises:
        LaunchError: there is no such runtime, its settings are wrong, the builder does not fit,
            or no cluster is known.
    """
    runtime = os.environ.get("PAAS_RUNTIME") or LOCAL
    if problem := misfit(runtime, os.environ.get("PAAS_BUILDER") or "host"):
        raise LaunchError(problem)
    if runtime == LOCAL:
        return "on this machine"
    if runtime != KUBERNETES:
        raise LaunchError(f"PAAS_RUNTIME={runtime} is unknown. Use {LOCAL} or {KUBERNETES}.")
    from paas.runtimes.kubernetes.preflight import describe

    try:
        return describe()
    except RuntimeFailure as error:
        raise LaunchError(str(error)) from error


def check_isolation() -> str:
    """How builds and apps are isolated, as text.

    Raises:
        LaunchError: they cannot be; there is no running without.
    """
    found = probe()
    if not found.works:
        raise LaunchError(f"builds and apps cannot be isolated here: {found.reason} {found.fix}")
    return found.kind


def check_disk(instance: Instance) -> str:
    """How much space is free, as text.

    Raises:
        LaunchError: too little to build anything.
    """
    free = free_megabytes(instance.home)
    if free < MINIMUM_FREE_MB:
        raise LaunchError(
            f"Only {free} MB are free in {instance.home}; builds need {MINIMUM_FREE_MB} MB. "
            "Free some space, or set PAAS_HOME to a folder on another disk."
        )
    return f"{free / 1000:.1f} GB free in {instance.home}"


def check_port(instance: Instance) -> str:
    """The front door's address, or both of them, as text.

    Raises:
        LaunchError: another program listens there, or we may not.
    """
    plain = _check_listening(instance.bind, instance.port, "PAAS_PORT")
    if not instance.tls:
        return plain
    return f"{plain} and {_check_listening(instance.bind, instance.tls.port, 'PAAS_HTTPS_PORT')}"


def check_ssh_port(instance: Instance) -> str:
    """The SSH server's address, as text.

    Raises:
        LaunchError: as for `check_port`, or it is the front door's port.
    """
    if instance.ssh_port == instance.port:
        raise LaunchError(
            f"PAAS_PORT and PAAS_SSH_PORT are both {instance.port}. Choose another for one of them."
        )
    return _check_listening(instance.bind, instance.ssh_port, "PAAS_SSH_PORT")


def _check_listening(bind: str, port: int, variable: str) -> str:
    address = f"{bind}:{port}"
    try:
        with _listening(bind, port):
            return address
    except OSError as error:
        raise LaunchError(_port_text(address, port, variable, error)) from error


def _listening(bind: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    return socket.create_server((bind, port), family=family)


def rendezvous_taken(instance: Instance) -> str | None:
    """Why `paas run` will not attach to processes; None if it will. All else works anyway."""
    try:
        with _listening(instance.bind, instance.rendezvous_port):
            return None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return None
    who = listener(instance.rendezvous_port) or "another program"
    return (
        f"Port {instance.rendezvous_port} is taken by {who}, so `paas run` cannot attach to "
        "processes. Stop it, or choose another port with PAAS_RENDEZVOUS_PORT."
    )


def _port_text(address: str, port: int, variable: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        who = listener(port) or "another program"
        return (
            f"Port {port} is taken by {who}. Stop it, or choose another port: "
            f"{variable}={port + 1} make up"
        )
    if error.errno == errno.EACCES:
        return f"Port {port} is for root only. Set {variable} to 1024 or more."
    return f"Cannot listen on {address} ({error.strerror}). Set PAAS_BIND to an address of here."


def listener(port: int) -> str | None:
    """Who listens on a TCP port, as "caddy (process 123)"; None if we cannot see it."""
    inodes = _listening_inodes(port)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if any(_link(fd) in inodes for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return None


def _link(fd: Path) -> str:
    try:
        return str(fd.readlink())
    except OSError:
        return ""  # closed meanwhile


def _listening_inodes(port: int) -> set[str]:
    """proc(5): local address in column 2, state 0A is LISTEN, the inode in column 10."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found
