"""Celery's entries: a primary key in, a verb called."""

from __future__ import annotations

from celery import shared_task

from apps.formation.certificates import look_at, look_at_due
from apps.formation.change import roll_out_change
from apps.formation.cron.runs import start
from apps.formation.deploy import deploy
from apps.formation.destroy import remove
from apps.formation.reconcile import mend, reconcile, reconcile_all
from apps.formation.retention import enforce_all


@shared_task(name="formation.deploy")
def deploy_task(build_id: str) -> None:
    deploy(build_id)


@shared_task(name="formation.release")
def release_task(release_id: str) -> None:
    roll_out_change(release_id)


@shared_task(name="formation.reconcile")
def reconcile_task(app_id: str) -> None:
    reconcile(app_id)


@shared_task(name="formation.reconcile-all")
def reconcile_all_task() -> None:
    reconcile_all()


@shared_task(name="formation.mend")
def mend_task(app_id: str) -> None:
    mend(app_id)


@shared_task(name="formation.remove")
def remove_task(app_id: str) -> None:
    remove(app_id)


@shared_task(name="formation.certificate")
def certificate_task(domain_id: str) -> None:
    look_at(domain_id)


@shared_task(name="formation.certificates")
def certificates_task() -> None:
    look_at_due()


@shared_task(name="formation.cron")
def cron_task(run_id: str) -> None:
    start(run_id)


@shared_task(name="formation.retention")
def retention_task() -> None:
    enforce_all()
