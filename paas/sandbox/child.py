"""Start a sandboxed command from this process, wait for it, and end it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import IO

from paas.sandbox import processes
from paas.sandbox.cgroups import Group
from paas.sandbox.command import Prepared, command
from paas.sandbox.spec import Limits, Sandbox, SandboxError

_WATCH_INTERVAL = 0.25  # seconds between two looks of the watchdog
_MIB = 1024 * 1024
Stream = int | IO[bytes] | None


class Child:
    """A running sandboxed command. Its end is the end of everything inside.

    It dies with the thread that started it (bubblewrap's --die-with-parent).
    """

    def __init__(self, process: subprocess.Popen[bytes], prepared: Prepared, limits: Limits):
        self._process, self._prepared = process, prepared
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self.oom_killed = False
        if prepared.group is None and (limits.memory_mb or limits.processes):
            threading.Thread(target=self._watch, args=(limits,), daemon=True).start()

    @property
    def pid(self) -> int:
        """The outer bubblewrap: what `members` and `signal_all` take."""
        return self._process.pid

    @property
    def group(self) -> Group | None:
        """Its control group, where there are any."""
        return self._prepared.group

    @property
    def stdout(self) -> IO[bytes] | None:
        """The reading end, where `start` was given subprocess.PIPE."""
        return self._process.stdout

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit status (128+n for signal n), or None while it runs after `timeout` seconds."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._settle()
        return status if status >= 0 else 128 - status

    def stop(self, grace: float) -> int:
        """SIGTERM to all inside, SIGKILL `grace` seconds later; returns the exit status."""
        with contextlib.suppress(OSError):
            processes.signal_all(self.pid, signal.SIGTERM)
        status = self.wait(grace)
        return self.kill_tree() if status is None else status

    def kill_tree(self) -> int:
        """SIGKILL to all inside; returns when they are gone, with the exit status."""
        if self._process.poll() is None:
            processes.kill(self.pid)
        status = self.wait()
        assert status is not None
        return status

    def _settle(self) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            self._ended.set()
            group = self._prepared.group
            if group is not None:
                self.oom_killed = group.oom_kills() > 0
                group.remove()

    def _watch(self, limits: Limits) -> None:
        """Enforces memory and processes where there are no control groups."""
        while not self._ended.wait(_WATCH_INTERVAL) and self._process.poll() is None:
            inside = processes.members(self.pid)
            too_many = limits.processes is not None and len(inside) > limits.processes
            if limits.memory_mb is not None:
                self.oom_killed |= processes.memory(self.pid) > limits.memory_mb * _MIB
            if too_many or self.oom_killed:
                processes.kill(self.pid)
                return


def start(
    sandbox: Sandbox,
    argv: Sequence[str],
    *,
    stdout: Stream = None,
    stderr: Stream = None,
    stdin: Stream = subprocess.DEVNULL,
) -> Child:
    """Start `argv` inside `sandbox`, in a session of its own.

    Raises:
        SandboxError: isolation cannot be had, or bubblewrap failed.
    """
    gate_read, gate_write = os.pipe()
    info_read, info_write = os.pipe()
    with os.fdopen(gate_write, "wb", buffering=0) as gate, os.fdopen(info_read, "rb") as info:
        prepared = _prepared(sandbox, argv, gate_read, info_write)
        try:
            process = subprocess.Popen(
                prepared.argv,
                env=prepared.environment,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=prepared.fds,
                start_new_session=True,
                umask=0o022,  # bubblewrap makes the parents of mount points: all must pass them
            )
        except BaseException:
            prepared.abandon()
            raise
        prepared.close()
        child = Child(process, prepared, sandbox.limits)
        _enter(child, prepared, info.read())
        gate.write(b"go")
        return child


def _prepared(sandbox: Sandbox, argv: Sequence[str], gate: int, info: int) -> Prepared:
    """The command, made to wait at `gate` until it is in its control group."""
    options = ["--block-fd", str(gate), "--info-fd", str(info)]
    try:
        return command(sandbox, argv, options=options, fds=(gate, info))
    except BaseException:
        os.close(gate)
        os.close(info)
        raise


def _enter(child: Child, prepared: Prepared, info: bytes) -> None:
    """Put the sandbox, which waits at its gate, into its control group.

    Args:
        info: what bubblewrap said of itself; empty when it failed.
    """
    try:
        inner = int(json.loads(info)["child-pid"])
        if prepared.group is not None:
            prepared.group.add(child.pid)
            prepared.group.add(inner)
    except (ValueError, OSError) as error:
        child.kill_tree()
        raise SandboxError("The sandbox could not be set up.") from error
