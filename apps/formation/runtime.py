"""The runtime this panel speaks to."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from apps.accounts.errors import Unavailable
from paas.runtimes.base import Runtime


@lru_cache(maxsize=1)
def get_runtime() -> Runtime:
    """The runtime that `PAAS_RUNTIME` names.

    Raises:
        Unavailable: no runtime has that name.
    """
    if settings.RUNTIME == "local":
        from paas.runtimes.local import LocalRuntime

        return LocalRuntime(settings.INSTANCE)
    raise Unavailable(f"PAAS_RUNTIME={settings.RUNTIME} is unknown. Use local.")
