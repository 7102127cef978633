"""The runtime this panel speaks to."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from apps.accounts.errors import Unavailable
from paas.runtimes.base import Runtime, RuntimeFailure
from paas.runtimes.choice import make_runtime


@lru_cache(maxsize=1)
def get_runtime() -> Runtime:
    """The runtime that `PAAS_RUNTIME` names.

    Raises:
        Unavailable: no runtime has that name, or its settings cannot be used.
    """
    try:
        return make_runtime(settings.RUNTIME, settings.INSTANCE)
    except RuntimeFailure as error:
        raise Unavailable(str(error)) from error
