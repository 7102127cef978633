"""Settings that are one of a few words."""

from __future__ import annotations

import os

from django.core.exceptions import ImproperlyConfigured


def choice(name: str, *allowed: str) -> str:
    """The environment variable `name`; the first of `allowed` where it is unset or empty.

    Raises:
        ImproperlyConfigured: it is none of them.
    """
    value = os.environ.get(name) or allowed[0]
    if value not in allowed:
        raise ImproperlyConfigured(
            f"{name} is {value!r}, and must be {' or '.join(allowed)}. Correct it and start again."
        )
    return value
