"""Logs by HTTP; attach and exec by websocket, Kubernetes' channel protocols v4 and v5."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import WSMsgType, web

from . import processes
from .errors import ApiError, Json, bad_request
from .processes import Line, Process

if TYPE_CHECKING:
    from .cluster import Cluster
    from .controllers.pods import Life

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
SUCCESS = {"metadata": {}, "status": "Success"}


# --- logs -----------------------------------------------------------------
async def log(cluster: Cluster, pod: Json, request: web.Request) -> web.StreamResponse:
    """The output of one container, perhaps as it comes.

    Raises:
        ApiError: 400, no such container, or it has not started; 422, a bad option.
    """
    params = request.query
    _check_options(params)
    container = _container(pod, params.get("container", ""))
    process = _logged(cluster, pod, container, previous=params.get("previous") == "true")
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    left = int(params["limitBytes"]) if "limitBytes" in params else None
    with contextlib.suppress(ConnectionError):
        async for line in _lines(process, params):
            text = line.text + b"\n"
            if params.get("timestamps") == "true":
                text = f"{line.time} ".encode() + text
            if left is not None:
                text, left = text[:left], left - len(text)
            await response.write(text)
            if left is not None and left <= 0:
                break
        await response.write_eof()
    return response


def _check_options(params: Mapping[str, str]) -> None:
    def refuse(field: str, why: str) -> ApiError:
        return ApiError(422, "Invalid", f'PodLogOptions "" is invalid: {field}: {why}')

    if "sinceTime" in params and "sinceSeconds" in params:
        raise refuse("sinceSeconds", "Forbidden: at most one of `sinceTime` or `sinceSeconds` may"
                     " be specified")  # fmt: skip
    if int(params.get("tailLines", 0)) < 0:
        text = f"Invalid value: {params['tailLines']}: must be greater than or equal to 0"
        raise refuse("tailLines", text)
    if "limitBytes" in params and int(params["limitBytes"]) < 1:
        raise refuse("limitBytes", f"Invalid value: {params['limitBytes']}: must be greater than 0")
    if "stream" in params:
        raise refuse("stream", "Forbidden: may not be specified")


def _container(pod: Json, wanted: str) -> str:
    name = pod["metadata"]["name"]
    mains = [each["name"] for each in pod["spec"]["containers"]]
    inits = [each["name"] for each in pod["spec"].get("initContainers", [])]
    if not wanted and len(mains) == 1:
        return str(mains[0])
    if not wanted:
        choices = f"[{' '.join(mains)}]"
        text = f"a container name must be specified for pod {name}, choose one of: {choices}"
        raise bad_request(text)
    if wanted not in mains + inits:
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    return wanted


def _life(cluster: Cluster, pod: Json) -> Life | None:
    return cluster.kubelet.life_of(pod)


def _logged(cluster: Cluster, pod: Json, container: str, *, previous: bool) -> Process:
    life = _life(cluster, pod)
    name = pod["metadata"]["name"]
    if previous:
        found = None
        if life is not None:
            found = life.previous.get(container)
            state = life.containers[container]["state"]
            if "running" not in state and life.containers[container]["restartCount"] == 0:
                found = None
            elif "waiting" in state:
                found = life.processes.get(container)
        if found is None:
            text = f'previous terminated container "{container}" in pod "{name}" not found'
            raise bad_request(text)
        return found
    if life is not None and container in life.processes:
        return life.processes[container]
    raise bad_request(
        f'container "{container}" in pod "{name}" is waiting to start: {_why(life, container)}'
    )


def _why(life: Life | None, container: str) -> str:
    if life is None:
        return "ContainerCreating"
    reason = str(life.containers[container]["state"].get("waiting", {}).get("reason", ""))
    texts = {
        "ErrImagePull": "image can't be pulled",
        "ImagePullBackOff": "trying and failing to pull image",
    }
    return texts.get(reason, reason or "ContainerCreating")


async def _lines(process: Process, params: Mapping[str, str]) -> AsyncIterator[Line]:
    since = params.get("sinceTime", "")
    if "sinceSeconds" in params:
        since = _ago(int(params["sinceSeconds"]))
    whole = since[:19]  # whole seconds only
    start = [line for line in process.lines if line.time[:19] >= whole]
    if "tailLines" in params:
        start = start[max(0, len(start) - int(params["tailLines"])) :]
    at = len(process.lines)
    for line in start:
        yield line
    if params.get("follow") != "true":
        return
    while True:
        changed = process.changed
        while at < len(process.lines):
            yield process.lines[at]
            at += 1
        if process.exit.done():
            return
        await changed.wait()


def _ago(seconds: int) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


# --- attach and exec ------------------------------------------------------
async def attach(cluster: Cluster, pod: Json, request: web.Request) -> web.StreamResponse:
    """The container's own process; it always ends with Success, whatever the exit code."""
    container, life = _attachable(cluster, pod, request)
    spec = next(each for each in pod["spec"]["containers"] if each["name"] == container)
    process = life.processes[container]
    socket = await _accept(request)
    session = Session(socket, process, request.query)
    try:
        await session.run()
    finally:  # aiohttp cancels us when the client has gone
        if spec.get("stdinOnce") and not spec.get("tty"):
            process.close_input()
    if process.exit.done():
        await session.finish(SUCCESS)
    return socket


async def execute(cluster: Cluster, pod: Json, request: web.Request) -> web.StreamResponse:
    """A new process beside the container's; its exit code is the end."""
    _attachable(cluster, pod, request)
    query = request.query
    if not query.getall("command", []):
        raise bad_request("you must specify at least one command for the container")
    socket = await _accept(request)
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TERM": "xterm"}
    with tempfile.TemporaryDirectory(prefix="fakekube-exec-") as directory:
        try:
            process = await processes.start(
                query.getall("command"), env, stdin=query.get("stdin") == "true",
                tty=query.get("tty") == "true", directory=directory,
            )  # fmt: skip
        except OSError:
            await _end(socket, _unstarted(query["command"]))
            return socket
        session = Session(socket, process, query)
        try:
            await session.run()
        finally:
            if not process.exit.done():
                process.signal(signal.SIGKILL)
        if process.exit.done():
            await session.finish(_exit_status(process.exit.result()))
    return socket


def _attachable(cluster: Cluster, pod: Json, request: web.Request) -> tuple[str, Life]:
    query = request.query
    if not any(query.get(name) == "true" for name in ("stdin", "stdout", "stderr")):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    container = _container(pod, query.get("container", ""))
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    if not any(protocol in offered for protocol in PROTOCOLS):
        raise web.HTTPForbidden
    life = _life(cluster, pod)
    process = life.processes.get(container) if life is not None else None
    if life is None or process is None or process.exit.done():
        where = f"{pod['metadata']['name']}_{pod['metadata']['namespace']}"
        raise ApiError(500, None, f"container {container} not found in pod {where}")
    return container, life


async def _accept(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=0)
    await socket.prepare(request)
    return socket


class Session:
    """A socket and a process: output out, input in, until one of them ends."""

    def __init__(
        self, socket: web.WebSocketResponse, process: Process, query: Mapping[str, str]
    ) -> None:
        self._socket, self._process = socket, process
        self._wanted = {
            STDOUT: query.get("stdout") == "true",
            STDERR: query.get("stderr") == "true",
        }
        self._stdin = query.get("stdin") == "true"
        self._output: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()

    async def run(self) -> None:
        """Until the process ends or the client leaves."""
        self._process.listeners.append(self._heard)
        await self._socket.send_bytes(bytes([STDOUT]))
        sending = asyncio.ensure_future(self._send())
        reading = asyncio.ensure_future(self._receive())
        done = asyncio.ensure_future(self._ended())
        try:
            await asyncio.wait({reading, done}, return_when=asyncio.FIRST_COMPLETED)
            if done.done():
                await self._output.join()
        finally:
            self._process.listeners.remove(self._heard)
            for task in (sending, reading, done):
                task.cancel()

    async def finish(self, status: Json) -> None:
        await _end(self._socket, status)

    async def _ended(self) -> None:
        await asyncio.shield(self._process.exit)

    def _heard(self, channel: int, data: bytes) -> None:
        if self._wanted.get(channel):
            self._output.put_nowait((channel, data))

    async def _send(self) -> None:
        while True:
            channel, data = await self._output.get()
            with contextlib.suppress(ConnectionError):
                await self._socket.send_bytes(bytes([channel]) + data)
            self._output.task_done()

    async def _receive(self) -> None:
        async for message in self._socket:
            data = message.data.encode() if message.type == WSMsgType.TEXT else message.data
            channel, rest = data[0], data[1:]
            if channel == STDIN and self._stdin:
                self._process.write(rest)
            elif channel == RESIZE:
                size: Any = orjson.loads(rest)
                self._process.resize(size["Width"], size["Height"])
            elif channel == CLOSE and self._socket.ws_protocol == PROTOCOLS[0]:
                self._process.close_input()


async def _end(socket: web.WebSocketResponse, status: Json) -> None:
    with contextlib.suppress(ConnectionError):
        await socket.send_bytes(bytes([ERROR]) + orjson.dumps(status))
        await socket.close(code=1000)


def _exit_status(code: int) -> Json:
    if code == 0:
        return SUCCESS
    return {
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }  # fmt: skip


def _unstarted(command: str) -> Json:
    text = (
        "Internal error occurred: error executing command in container: failed to exec in"
        " container: failed to start exec: OCI runtime exec failed: exec failed: unable to start"
        f' container process: exec: "{command}": executable file not found in $PATH'
    )
    return {
        "metadata": {}, "status": "Failure", "reason": "InternalError", "message": text,
        "details": {"causes": [{"message": text}]}, "code": 500,
    }  # fmt: skip
