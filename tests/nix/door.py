"""The panel behind its real front door, for the clients that nodes have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.db import connections
from django.test import override_settings

from apps.accounts.models import User
from apps.accounts.policy import Actor
from apps.nodes import tokens
from paas.instance import Instance, make_private
from paas.keys import ensure_keys
from paas.nix.store import Store
from tests.authorisation.panel import LivePanel
from tests.runtimes.world import World


@dataclass(frozen=True)
class Door:
    """A live instance, and the token of a node."""

    instance: Instance
    store: Store
    token: str

    @property
    def url(self) -> str:
        return f"http://localhost:{self.instance.port}"


@contextmanager
def front_door(admin: User) -> Iterator[Door]:
    """Caddy, configured as always, before the test's own panel and its transaction."""
    world = World()
    make_private(world.instance.run)
    ensure_keys(world.instance)
    panel = LivePanel(world.instance.web_socket)
    try:
        with override_settings(INSTANCE=world.instance), pytest.MonkeyPatch.context() as patch:
            # Requests begin and end with it, and it would take the transaction along.
            patch.setattr(connections["default"], "close_if_unusable_or_obsolete", lambda: None)
            world.start_caddy()
            store = Store.of(world.instance, {"PAAS_NIX_STORE": str(world.root / "store")})
            yield Door(world.instance, store, tokens.create(Actor(admin), "node-1").token)
    finally:
        panel.stop()
        world.stop()
