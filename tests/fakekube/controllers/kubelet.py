"""The kubelet of all nodes: pods from their binding to their end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from ..errors import Json
from ..store import Event
from .base import POD, Controller, Keys, is_over, key_of

if TYPE_CHECKING:
    from ..cluster import Cluster
    from .pods import Life


class Kubelet(Controller):
    """Gives each bound pod a life, which ends with the pod."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.store, self.verbs, self.clock = cluster.store, cluster.verbs, cluster.clock
        self.lives: dict[str, Life] = {}
        self._addresses = 0

    def keys_of(self, event: Event) -> Keys:
        if event.kind is not POD:
            return
        uid = event.obj["metadata"]["uid"]
        going = "deletionTimestamp" in event.obj["metadata"]
        if event.type == "DELETED":
            life = self.lives.pop(uid, None)
            if life is not None:
                life.kill()
        elif (uid not in self.lives or going) and event.obj["spec"].get("nodeName"):
            yield key_of(event.obj)

    def reconcile(self, namespace: str, name: str) -> None:
        from .pods import Life

        pod = self.store.get(POD, namespace, name)
        if pod is None:
            return
        uid = pod["metadata"]["uid"]
        if uid not in self.lives and not is_over(pod):
            self.lives[uid] = Life(self, pod)
        if "deletionTimestamp" in pod["metadata"] and uid in self.lives:
            self.lives[uid].end(pod["metadata"].get("deletionGracePeriodSeconds", 30))

    def life_of(self, pod: Json) -> Life | None:
        return self.lives.get(pod["metadata"]["uid"])

    def address(self) -> str:
        """A new pod's IP."""
        self._addresses += 1
        number = self._addresses
        return f"10.42.{number // 250 % 250}.{number % 250 + 2}"

    async def stop(self) -> None:
        """Ends all processes and their tasks."""
        lives = list(self.lives.values())
        for life in lives:
            life.kill()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*(life.task for life in lives), return_exceptions=True)
