"""`manage.py reencrypt`: the step of a change of `config_keys` after which the old one may go."""

from __future__ import annotations

from django.core.management.base import BaseCommand

from apps.releases.models import Config
from apps.releases.vault import reseal


class Command(BaseCommand):
    help = "Encrypt all config vars with the newest key of keys/config_keys; safe to run again."

    def handle(self, *args: object, **options: object) -> None:
        done = 0
        for config in Config.objects.only("id", "sealed").iterator():
            # Never changed but here, and gone only with its app.
            done += Config.objects.filter(pk=config.pk).update(sealed=reseal(config.sealed))
        self.stdout.write(f"{done} sets of config vars are encrypted with the newest key.")
