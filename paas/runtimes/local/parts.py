"""The collaborators that every verb of the local runtime works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from paas import faults
from paas.instance import Instance
from paas.runtimes.base import HostCertificate
from paas.runtimes.local.own import OwnCertificates
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
    own: OwnCertificates
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
            own=OwnCertificates(instance),
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

    def route(
        self,
        app_id: str,
        hosts: tuple[str, ...],
        *,
        maintenance: bool,
        routing: int,
        certificates: tuple[HostCertificate, ...],
    ) -> None:
        """The body of `Runtime.route`."""
        if app_id not in self.store.app_ids():
            return
        with self.store.locked(app_id) as slot:
            if slot.state.removed or not slot.state.release:
                return
            before = set(slot.state.hosts)
            state = slot.save(slot.state.routed(hosts, maintenance=maintenance, routing=routing))
            faults.point("local.routing")
            self.routes.set(state.hosts, state.web_ports, maintenance=state.maintenance)
            if state.routing == routing:
                self.own.set(state.hosts, certificates)
        self.drop_hosts(app_id, before.difference(state.hosts))

    def drop_hosts(self, app_id: str, hosts: set[str]) -> None:
        """Remove the routes of hosts that `app_id` gave up; those of another app are its again."""
        if not hosts:
            return
        for other in self.store.app_ids():
            theirs = hosts.intersection(self.store.read(other).hosts) if other != app_id else set()
            if theirs:
                with self.store.locked(other) as slot:
                    state = slot.state
                    taken = theirs.intersection(state.hosts)
                    self.routes.set(taken, state.web_ports, maintenance=state.maintenance)
                hosts = hosts - theirs
        self.routes.remove(hosts)
        self.own.remove(hosts)
