"""An attached one-off: its pod is made now, and its streams go over a websocket to descriptors."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paas.runtimes.base import RuntimeFailure, Terminal
from paas.runtimes.kubernetes import oneoffs
from paas.runtimes.kubernetes.cluster import Cluster
from paas.runtimes.kubernetes.feed import Feed
from paas.runtimes.kubernetes.kinds import POD
from paas.runtimes.kubernetes.names import ONE_OFF, Object, selector
from paas.runtimes.kubernetes.oneoffs import ATTENDED, KubernetesOneOff
from paas.runtimes.kubernetes.verdict import Judge, Wanted, containers_of, exit_status

_STDIN, _STDOUT, _STDERR, _STATUS, _RESIZE = 0, 1, 2, 3, 4
_CLOSE_STDIN = b"\xff\x00"
"""v5 of the protocol: the end of channel 0."""
_START_SECONDS = 120.0
"""How long an image may take to be pulled while somebody sits before their terminal."""
_HANG_UP_SECONDS = 5
_ATTEND_EVERY = 20.0
_CHUNK = 64 * 1024


class KubernetesAttachment:
    """`paas.runtimes.base.Attachment` of a pod.

    Args:
        socket: an open websocket of the attach call.
    """

    def __init__(
        self,
        cluster: Cluster,
        one_off: KubernetesOneOff,
        pod: Object,
        socket: Any,
        *,
        is_terminal: bool,
    ) -> None:
        self._cluster, self._one_off, self._pod, self._socket = cluster, one_off, pod, socket
        self._is_terminal = is_terminal
        self._near_in, self.stdin = os.pipe()
        self.stdout, self._near_out = os.pipe()
        self._open = {self.stdin, self.stdout}
        self._ways = {_STDOUT: self._near_out}
        self.stderr: int | None = None
        if not is_terminal:
            self.stderr, near_err = os.pipe()
            self._open.add(self.stderr)
            self._ways[_STDERR] = near_err
        for stream in self._open:
            os.set_blocking(stream, False)
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def begin(self, terminal: Terminal | None) -> None:
        """Let the process begin: its size first, then the line that it waits for."""
        if terminal is not None:
            self.resize(terminal)
        self._send(_STDIN, b"\n")
        for work in (self._pump_out, self._pump_in, self._attend):
            _start(work)

    def resize(self, terminal: Terminal) -> None:
        """See `Attachment.resize`."""
        if self._is_terminal:
            size = {"Width": terminal.columns, "Height": terminal.lines}
            self._send(_RESIZE, json.dumps(size).encode())

    def close_stdin(self) -> None:
        """See `Attachment.close_stdin`."""
        self._close(self.stdin)

    def wait(self, timeout: float | None = None) -> int | None:
        """See `Attachment.wait`."""
        return self._one_off.wait(0.05 if timeout == 0 else timeout)

    def close(self) -> None:
        """See `Attachment.close`."""
        self._closed.set()
        for stream in tuple(self._open):
            self._close(stream)
        with suppress(Exception):  # whatever the socket's state: it ends here
            self._socket.close(timeout=1)
        meta = self._pod["metadata"]
        with suppress(RuntimeFailure):  # the sweep does it
            self._cluster.client.delete(
                POD, meta["namespace"], meta["name"], uid=meta["uid"], grace=_HANG_UP_SECONDS
            )

    # --- the streams -----------------------------------------------------------
    def _pump_out(self) -> None:
        """From the websocket to the pipes, until either end is closed."""
        echo = b"\r\n" if self._is_terminal else b""  # of the line that began it
        try:
            while frame := self._receive():
                channel, data = frame[0], frame[1:]
                if channel == _STATUS:
                    break
                if channel == _STDOUT and echo and data:
                    data, echo = data.removeprefix(echo), b""
                if data and channel in self._ways:
                    _write_all(self._ways[channel], data)
        except OSError:
            pass
        finally:
            for way in self._ways.values():
                os.close(way)

    def _receive(self) -> bytes:
        from websocket import WebSocketException

        while True:
            try:
                frame = self._socket.recv()
            except (OSError, WebSocketException):
                return b""
            data = frame.encode() if isinstance(frame, str) else bytes(frame)
            if data or not self._socket.connected:
                return data

    def _pump_in(self) -> None:
        """From the pipe to the websocket."""
        try:
            while data := os.read(self._near_in, _CHUNK):
                self._send(_STDIN, data)
            if not self._is_terminal:
                with self._lock:
                    self._socket.send_binary(_CLOSE_STDIN)
        except Exception:  # noqa: S110 - the process is gone: whoever reads its output sees it
            pass
        finally:
            os.close(self._near_in)

    def _attend(self) -> None:
        """Say now and then that somebody is there: a pod nobody attends to is deleted."""
        meta = self._pod["metadata"]
        while not self._closed.wait(_ATTEND_EVERY):
            change = {"metadata": {"annotations": {ATTENDED: str(int(time.time()))}}}
            with suppress(RuntimeFailure):
                self._cluster.client.merge(POD, meta["namespace"], meta["name"], change)

    def _send(self, channel: int, data: bytes) -> None:
        with self._lock:
            self._socket.send_binary(bytes([channel]) + data)

    def _close(self, stream: int) -> None:
        if stream in self._open:
            self._open.remove(stream)
            os.close(stream)


def attach(
    cluster: Cluster, app_id: str, name: str, terminal: Terminal | None
) -> KubernetesAttachment:
    """The body of `Runtime.attach`."""
    body = oneoffs.claim(cluster, app_id, name)
    if terminal is not None:
        body["spec"]["containers"][0]["tty"] = True
    body["metadata"].setdefault("annotations", {})[ATTENDED] = str(int(time.time()))
    made = cluster.client.create(body)
    one_off = KubernetesOneOff(cluster, app_id, name, (POD, made))
    try:
        pod = _await_start(cluster, app_id, name)
        socket = cluster.client.websocket(*_call(pod, terminal))
    except BaseException:
        cluster.client.delete(POD, made["metadata"]["namespace"], made["metadata"]["name"])
        raise
    attachment = KubernetesAttachment(
        cluster, one_off, pod, socket, is_terminal=terminal is not None
    )
    attachment.begin(terminal)
    return attachment


def _call(pod: Object, terminal: Terminal | None) -> tuple[str, list[tuple[str, str]]]:
    meta = pod["metadata"]
    query = [
        ("container", pod["spec"]["containers"][0]["name"]),
        ("stdin", "true"),
        ("stdout", "true"),
        ("tty", "true") if terminal is not None else ("stderr", "true"),
    ]
    return POD.path(meta["namespace"], meta["name"], "attach"), query


def _await_start(cluster: Cluster, app_id: str, name: str) -> Object:
    """
    Raises:
        RuntimeFailure: it has not begun, and why.
    """
    labels = f"{selector(app_id)},{ONE_OFF}={name}"
    judge, deadline, seen = Judge(Wanted(name, 0, None)), time.monotonic() + _START_SECONDS, 0
    with Feed(cluster.client, (POD,), cluster.namespace(app_id), labels=labels) as feed:
        feed.start()
        while time.monotonic() < deadline:
            for pod in feed.objects(POD):
                if any("running" in (one.get("state") or {}) for one in containers_of(pod)):
                    return pod
                trouble = judge.of_pod(pod)
                if trouble is not None or exit_status(pod) is not None:
                    reason = trouble.reason if trouble else "has ended before it began"
                    raise RuntimeFailure(f"{name} {reason}.")
            seen = feed.wait(0.5, seen)
    raise RuntimeFailure(f"{name} has not begun within {_START_SECONDS:.0f} seconds.")


def _write_all(stream: int, data: bytes) -> None:
    """Our end of the pipe blocks: a slow reader slows the process down, as it should."""
    while data:
        data = data[os.write(stream, data) :]


def _start(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="attachment", daemon=True).start()
