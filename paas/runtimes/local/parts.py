"""The collaborators that every verb of the local runtime works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from paas.instance import Instance
from paas.runtimes.local.processes import Processes
from paas.runtimes.local.routes import Routes
from paas.runtimes.local.state import StateStore
from paas.runtimes.local.supervisor import Supervisor


@dataclass(frozen=True)
class Parts:
    """Times are in seconds."""

    instance: Instance
    store: StateStore
    supervisor: Supervisor
    processes: Processes
    routes: Routes
    boot_timeout: float
    stop_timeout: float

    @classmethod
    def of(cls, instance: Instance, boot_timeout: float, stop_timeout: float) -> Parts:
        supervisor = Supervisor(instance.apps_supervisor_socket)
        return cls(
            instance=instance,
            store=StateStore(instance),
            supervisor=supervisor,
            processes=Processes(instance, supervisor, stop_timeout),
            routes=Routes(instance),
            boot_timeout=boot_timeout,
            stop_timeout=stop_timeout,
        )

    # --- apps that `tend` must look after ------------------------------------
    @property
    def _pending(self) -> Path:
        return self.instance.local_state / "pending"

    def mark_pending(self, app_id: str) -> None:
        self._pending.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._pending / app_id).touch()

    def unmark_pending(self, app_id: str) -> None:
        (self._pending / app_id).unlink(missing_ok=True)

    def pending(self) -> list[str]:
        return sorted(p.name for p in self._pending.iterdir()) if self._pending.is_dir() else []

    # --- hosts ---------------------------------------------------------------
    def browser_host(self, host: str) -> str:
        """`host` as a browser sends it."""
        return host if self.instance.port == 80 else f"{host}:{self.instance.port}"

    def drop_hosts(self, app_id: str, hosts: set[str]) -> None:
        """Remove the routes of hosts that `app_id` gave up, unless another app has taken them."""
        if hosts:
            others = (self.store.read(other) for other in self.store.app_ids() if other != app_id)
            self.routes.remove(hosts.difference(*(state.hosts for state in others)))
