"""What we remember of an app, in its namespace: the highest token, and what is live.

The token is the holder of a Lease, everything else is in a Secret: applying
the same spec again leaves that untouched. Every write names the version it has
read, so that of two writers one is told to look again. The objects of the live
release are kept as they were applied: a change that fails is undone by
applying them once more.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from paas.runtimes.base import RuntimeFailure, StaleToken
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.errors import Exists, Gone, Moved
from paas.runtimes.kubernetes.kinds import LEASE, SECRET
from paas.runtimes.kubernetes.names import APP, OURS, PART, Object, labels
from paas.runtimes.kubernetes.routes import Routing

TOKEN = "paas-token"  # noqa: S105 - a Lease's name
NAME = "paas-state"
_KEY = "state"
_TRIES = 20


@dataclass(frozen=True)
class AppState:
    """One app's.

    Args:
        restarts: process type → `ProcessSpec.restarts`, as far as they are carried out.
        folds: process type → restarts of its only process, which were carried out on all.
        quantities: process type → how many were asked for.
        live: the Deployments of the committed release, as they were applied.
        version: of the Secret that it was read from; "" if there is none.
    """

    release: int = 0
    routing: Routing = field(default_factory=lambda: Routing((), False, -1))
    restarts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    folds: Mapping[str, int] = field(default_factory=dict)
    quantities: Mapping[str, int] = field(default_factory=dict)
    live: tuple[Object, ...] = ()
    version: str = ""

    def routed(self, routing: Routing) -> AppState:
        """With `routing`, unless a newer one is known."""
        return self if routing.version < self.routing.version else replace(self, routing=routing)

    @property
    def image(self) -> str:
        """The live release's; "" before the first."""
        for body in self.live:
            return str(body["spec"]["template"]["spec"]["containers"][0]["image"])
        return ""

    def live_named(self, name: str) -> Object | None:
        return next((body for body in self.live if body["metadata"]["name"] == name), None)


def parse(secrets: Iterable[Object]) -> AppState:
    """The state among an app's Secrets."""
    for secret in secrets:
        if secret["metadata"]["name"] == NAME:
            return _parsed(secret)
    return AppState()


def _parsed(secret: Object) -> AppState:
    data: dict[str, Any] = json.loads(base64.b64decode(secret["data"][_KEY]))
    routing = data.pop("routing")
    return AppState(
        **data
        | {
            "live": tuple(data["live"]),
            "routing": Routing(**routing | {"hosts": tuple(routing["hosts"])}),
            "version": secret["metadata"]["resourceVersion"],
        }
    )


class States:
    """Reads and writes the states of one cluster's apps."""

    def __init__(self, client: Client) -> None:
        self._client = client

    # --- the token ---------------------------------------------------------------
    def claim(self, namespace: str, app_id: str, token: int) -> None:
        """Let nobody with a lower token than this go on.

        Raises:
            StaleToken: somebody with a higher one has been here.
        """
        for _ in range(_TRIES):
            with suppress(Moved, Exists):
                if self._claim(namespace, app_id, token):
                    return
        raise RuntimeFailure("Others steer this app all the time. Try again.")

    def check(self, namespace: str, token: int) -> None:
        """
        Raises:
            StaleToken: somebody with a higher token has been here.
        """
        held = self._held(namespace)
        if held is not None and held[0] > token:
            raise StaleToken(f"token {token} is older than {held[0]}")

    def _claim(self, namespace: str, app_id: str, token: int) -> bool:
        """False if the Lease went away meanwhile."""
        held = self._held(namespace)
        if held is None:
            spec = {"holderIdentity": str(token)}
            meta = {"name": TOKEN, "namespace": namespace, "labels": labels(app_id)}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
            self._client.create({**lease, "metadata": meta, "spec": spec})
            return True
        highest, version = held
        if highest > token:
            raise StaleToken(f"token {token} is older than {highest}")
        if highest < token:
            change = {
                "metadata": {"resourceVersion": version},
                "spec": {"holderIdentity": str(token)},
            }
            try:
                self._client.merge(LEASE, namespace, TOKEN, change)
            except Gone:
                return False
        return True

    def _held(self, namespace: str) -> tuple[int, str] | None:
        """The highest token seen, and the version it was read from."""
        try:
            lease = self._client.get(LEASE, namespace, TOKEN)
        except Gone:
            return None
        holder = str((lease.get("spec") or {}).get("holderIdentity") or "0")
        return int(holder) if holder.isdecimal() else 0, lease["metadata"]["resourceVersion"]

    # --- everything else -----------------------------------------------------------
    def read(self, namespace: str, app_id: str) -> AppState:
        only = f"{OURS},{APP}={app_id},{PART}={_KEY}"
        return parse(self._client.items(SECRET, namespace, labels=only))

    def update(
        self,
        namespace: str,
        app_id: str,
        change: Callable[[AppState], AppState],
        *,
        known: AppState | None = None,
    ) -> AppState:
        """Write `change` of what is there, reading again as often as somebody else was faster.

        Args:
            known: what was read a moment ago.

        Raises:
            Whatever `change` raises: then nothing is written.
        """
        state = known or self.read(namespace, app_id)
        for _ in range(_TRIES):
            changed = change(state)
            if changed == state and state.version:
                return state
            try:
                return self._write(namespace, app_id, changed)
            except (Moved, Exists, Gone):
                state = self.read(namespace, app_id)
        raise RuntimeFailure("Others write to this app's state all the time. Try again.")

    def _write(self, namespace: str, app_id: str, state: AppState) -> AppState:
        facts = {key: value for key, value in asdict(state).items() if key != "version"}
        text = json.dumps(facts, sort_keys=True)
        data = {_KEY: base64.b64encode(text.encode()).decode()}
        if state.version:
            change = {"metadata": {"resourceVersion": state.version}, "data": data}
            written = self._client.merge(SECRET, namespace, NAME, change)
        else:
            written = self._client.create(
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {
                        "name": NAME,
                        "namespace": namespace,
                        "labels": labels(app_id) | {PART: _KEY},
                    },
                    "type": "Opaque",
                    "data": data,
                }
            )
        return replace(state, version=written["metadata"]["resourceVersion"])
