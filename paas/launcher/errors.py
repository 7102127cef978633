"""What keeps an instance from starting, as a text for whoever typed `make up`."""

from __future__ import annotations


class LaunchError(Exception):
    """Says what is wrong, why it matters, and the next step."""


class AlreadyRunning(LaunchError):
    """Another launcher holds this `PAAS_HOME`."""
