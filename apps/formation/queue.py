"""Handing work to the workers. The row is the truth; a lost message is found by the sweep."""

from __future__ import annotations

import logging

from django.db import transaction
from kombu.exceptions import OperationalError

from paas.celery import app as celery

logger = logging.getLogger(__name__)


def enqueue(task: str, key: object) -> None:
    """Send the primary key `key` to the task `formation.<task>`, after the transaction.

    A broker that is away is no error: the sweep sends the message again.
    """
    transaction.on_commit(lambda: _send(task, str(key)))


def _send(task: str, key: str) -> None:
    try:
        celery.send_task(f"formation.{task}", args=[key], retry=False)
    except OperationalError:
        logger.warning("the broker is away: formation.%s %s waits for the sweep", task, key)
