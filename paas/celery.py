"""The worker: one process with a thread pool, and the clock: a ticker, and beat as a thread.

Where each part is started by itself (`python -m paas.launcher PART`), the clock
is a process of its own, beat, and the worker keeps no time. Two clocks harm
nothing: each of their steps is one conditional UPDATE or holds a row's lease.

The thread pool cannot end a task; cancelling and time limits act on the
process groups of what a task has started.
"""

from __future__ import annotations

import os
import threading
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paas.settings")

from celery import Celery, signals
from celery.beat import EmbeddedService
from django.conf import settings

app = Celery("paas")


app.conf.update(
    broker_url=str(settings.REDIS_URL).replace("unix://", "redis+socket://", 1),
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_default_queue="default",
    task_routes={"formation.deploy": {"queue": "builds"}},
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # The rows' leases are the truth; redelivery must never overtake a long build.
    broker_transport_options={
        "visibility_timeout": 7200,
        "socket_connect_timeout": 1,
        "socket_timeout": 5,
        # How long a sender tries when the broker is away; the sweep sends again anyway.
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.1,
        "interval_max": 0.1,
    },
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    beat_schedule_filename=str(settings.INSTANCE.run / "beat"),
    beat_schedule={
        "reconcile": {"task": "formation.reconcile-all", "schedule": 60.0},
        "certificates": {"task": "formation.certificates", "schedule": 60.0},
        "retention": {"task": "formation.retention", "schedule": 600.0},
    },
)
app.autodiscover_tasks(["apps.formation"])


@signals.worker_ready.connect
def _worker_is_ready(sender: Any = None, **_: Any) -> None:
    from apps.formation.ticker import SignOfLife

    SignOfLife("worker").start()
    if settings.CLOCK == "within":
        _keep_time()
        EmbeddedService(app, thread=True).start()


@signals.beat_init.connect
def _beat_is_ready(sender: Any = None, **_: Any) -> None:
    if threading.current_thread() is threading.main_thread():  # else it is the worker's
        _keep_time()


def _keep_time() -> None:
    """Bring every app back, then tick."""
    from apps.formation.ticker import Ticker

    app.send_task("formation.reconcile-all")
    Ticker().start()
