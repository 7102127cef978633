"""The local runtime: `paas.runtimes.base.Runtime` on one machine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from paas.instance import Instance
from paas.runtimes.base import (
    BOOT_TIMEOUT,
    STOP_TIMEOUT,
    AppSpec,
    Attachment,
    Certificate,
    Event,
    LogSource,
    OneOff,
    ProcessStatus,
    RouteTable,
    RuntimeFailure,
    Size,
    Terminal,
    Usage,
)
from paas.runtimes.local import (
    attaching,
    certificates,
    drift,
    litter,
    observing,
    oneoffs,
    removal,
    tending,
)
from paas.runtimes.local.deployment import MOST_PROCESSES, Deployment
from paas.runtimes.local.parts import Parts
from paas.runtimes.local.routes import SLOTS
from paas.runtimes.local.supervisor import SupervisorDown
from paas.sandbox.spec import SandboxError

_SWEEP_EVERY = 60.0


class LocalRuntime:
    """Runs the apps of `instance`; needs the `apps` supervisord and Caddy of it.

    Methods say in `paas.runtimes.base.Runtime` what they do.

    Args:
        boot_timeout: seconds until a web process must accept.
        stop_timeout: seconds between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        instance: Instance,
        *,
        boot_timeout: float = BOOT_TIMEOUT,
        stop_timeout: float = STOP_TIMEOUT,
    ) -> None:
        self._parts = Parts.of(instance, boot_timeout, stop_timeout)
        self._next_sweep = 0.0

    def apply(self, spec: AppSpec, token: int) -> Iterator[Event]:
        with _fit_for_the_user():
            yield from Deployment(self._parts, spec, token).steps()

    def route(
        self, app_id: str, hosts: tuple[str, ...], *, maintenance: bool, routing: int
    ) -> None:
        with _fit_for_the_user():
            self._parts.route(app_id, hosts, maintenance=maintenance, routing=routing)

    def tend(self) -> bool:
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + _SWEEP_EVERY
            with suppress(SupervisorDown):
                litter.sweep(self._parts)
        return tending.tend(self._parts)

    def observe(self, *app_ids: str) -> list[ProcessStatus]:
        return observing.observe(self._parts, *app_ids)

    def run(
        self,
        spec: AppSpec,
        command: str,
        *,
        name: str,
        detached: bool = False,
        timeout: float | None = None,
        environment: Mapping[str, str] | None = None,
        size: Size | None = None,
    ) -> OneOff:
        with _fit_for_the_user():
            return oneoffs.run(
                self._parts,
                spec,
                command,
                name=name,
                detached=detached,
                timeout=timeout,
                environment=environment or {},
                size=size or Size(),
            )

    def find_one_off(self, app_id: str, name: str) -> OneOff | None:
        return oneoffs.find(self._parts, app_id, name)

    def run_attached(
        self,
        spec: AppSpec,
        command: str,
        *,
        name: str,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        size: Size | None = None,
    ) -> None:
        with _fit_for_the_user():
            oneoffs.run_attached(
                self._parts,
                spec,
                command,
                name=name,
                timeout=timeout,
                environment=environment or {},
                size=size or Size(),
            )

    def attach(self, app_id: str, name: str, terminal: Terminal | None) -> Attachment:
        with _fit_for_the_user():
            return attaching.attach(self._parts, app_id, name, terminal)

    def stop(self, app_id: str, name: str) -> bool:
        return oneoffs.stop(self._parts, app_id, name)

    def remove(self, app_id: str, token: int) -> None:
        removal.remove(self._parts, app_id, token)

    def apps(self) -> list[str]:
        return self._parts.store.app_ids()

    def log_sources(self) -> list[LogSource]:
        return observing.log_sources(self._parts)

    def routes(self) -> RouteTable:
        return observing.routes(self._parts)

    def certificate(self, host: str) -> Certificate:
        return certificates.obtain(self._parts.instance, host)

    def metrics(self, app_id: str) -> list[Usage]:
        return observing.metrics(self._parts, app_id)

    def max_quantity(self, process_type: str) -> int | None:
        return SLOTS if process_type == "web" else MOST_PROCESSES

    autoscales = False

    def drift(self, specs: Iterable[AppSpec]) -> Mapping[str, str]:
        return drift.drift(self._parts, specs)

    def preview(self, spec: AppSpec) -> list[str]:
        raise RuntimeFailure("Only a cluster can say beforehand what a release would change.")

    def scaled_by(self, app_id: str, process_type: str) -> str:
        return ""


@contextmanager
def _fit_for_the_user() -> Iterator[None]:
    """Raises RuntimeFailure for what the machine refuses: isolation, disk, files."""
    try:
        yield
    except SandboxError as error:
        raise RuntimeFailure(str(error)) from error
    except OSError as error:
        raise RuntimeFailure(
            f"The machine refused it: {error.strerror or error}. `paas doctor` shows what is short."
        ) from error
