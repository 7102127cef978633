"""What attach sessions are connected with: the runtime on one side, the panel on the other."""

from __future__ import annotations

import logging
import os
from functools import cache

from paas.gateway.panel import Panel, PanelError
from paas.gateway.rendezvous import Rendezvous
from paas.instance import Instance
from paas.runtimes.base import Attachment, Runtime
from paas.runtimes.choice import LOCAL, make_runtime
from paas.tickets import Ticket

log = logging.getLogger(__name__)


def rendezvous(instance: Instance, panel: Panel) -> Rendezvous:
    """The listener of `instance`, which tells `panel` how sessions ended."""

    @cache
    def runtime() -> Runtime:
        return make_runtime(os.environ.get("PAAS_RUNTIME") or LOCAL, instance)

    def attach(ticket: Ticket) -> Attachment:
        return runtime().attach(ticket.app_id, ticket.name, ticket.terminal)

    async def permitted(ticket: Ticket) -> bool:
        try:
            return await panel.run_permitted(ticket.app_id, ticket.user, ticket.authorization)
        except PanelError as error:  # sessions outlive a panel that restarts
            log.warning("whether %s may go on is not known: %s", ticket.name, error)
            return True

    async def ended(ticket: Ticket, status: int | None) -> None:
        try:
            await panel.run_ended(ticket.app_id, ticket.name, status)
        except PanelError as error:
            log.warning("the log will not say how %s ended: %s", ticket.name, error)

    return Rendezvous(instance, panel.token, attach, permitted, ended)
