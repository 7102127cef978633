"""One event loop with all that the gateway listens on: git by HTTP and SSH, hook, sessions."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from pathlib import Path

import uvicorn

from paas import keys
from paas.gateway import attaching, hooks, tree
from paas.gateway.asgi import Application
from paas.gateway.panel import Panel
from paas.gateway.pushes import Places
from paas.gateway.rendezvous import Rendezvous
from paas.gateway.services import Services, Surroundings
from paas.gateway.ssh import server as ssh
from paas.instance import Instance, make_private

log = logging.getLogger(__name__)

_MOMENT = 5.0  # seconds running pushes get at a stop
_LEAVE = 5  # seconds they then get to tell their clients
_KEEP_ALIVE = (
    180  # seconds; above the front door's 120, so that it never meets a closing connection
)
_BACKLOG = 512


class Server(uvicorn.Server):
    """uvicorn, which winds pushes and sessions down before it closes connections."""

    def __init__(self, services: Services, rendezvous: Rendezvous) -> None:
        self._services, self._rendezvous = services, rendezvous
        super().__init__(
            uvicorn.Config(
                Application(services),
                http="httptools",
                ws="none",
                loop="asyncio",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=_LEAVE,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.gather(self._services.wind_down(_MOMENT), self._rendezvous.close())
        await super().shutdown(sockets)


async def serve(instance: Instance) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        HookError: hooks cannot be executed in `PAAS_HOME`.
        KeysError: the internal token or the SSH host key is missing or badly kept.
        OSError: a socket cannot be made.
    """
    make_private(instance.run)
    tree.remove_leftovers(instance.repositories, instance.sources)
    panel = Panel(instance.web_socket, keys.read_key(instance, keys.INTERNAL_TOKEN))
    hook_server = hooks.HookServer(instance.hook_socket)
    services = Services(_surroundings(instance, panel, hook_server))
    rendezvous = attaching.rendezvous(instance, panel)
    rendezvous.start()
    # uvicorn raises the signal again when it has stopped; that must not kill us.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    async with await hook_server.listen(), ssh.listening(instance, services, panel):
        log.info("listening on %s and port %d", instance.gateway_socket, instance.ssh_port)
        await Server(services, rendezvous).serve([_listen(instance.gateway_socket)])
        await services.pushes_over(_LEAVE)  # those over SSH: uvicorn does not wait for them


def _surroundings(instance: Instance, panel: Panel, hook_server: hooks.HookServer) -> Surroundings:
    return Surroundings(
        panel=panel,
        hook_server=hook_server,
        hooks=hooks.install(instance.home / "hooks"),
        repositories=instance.repositories,
        places=Places(
            lens=tree.make_lens(instance.run / "lens.git"),
            sources=instance.sources,
            build_logs=instance.build_logs,
        ),
    )


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener
