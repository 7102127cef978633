"""The local runtime: `paas.runtimes.base.Runtime` on one machine."""

from __future__ import annotations

from collections.abc import Iterator

from paas.instance import Instance
from paas.runtimes.base import (
    BOOT_TIMEOUT,
    STOP_TIMEOUT,
    AppSpec,
    Event,
)
from paas.runtimes.local.deployment import Deployment
from paas.runtimes.local.parts import Parts


class LocalRuntime:
    """Runs the apps of `instance`; needs the `apps` supervisord and Caddy of it.

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

    def apply(self, spec: AppSpec, token: int) -> Iterator[Event]:
        """See `Runtime.apply`."""
        yield from Deployment(self._parts, spec, token).steps()
