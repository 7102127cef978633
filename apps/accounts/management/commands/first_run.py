"""`manage.py first_run`: what `make up` needs in the database before anyone can use it."""

from __future__ import annotations

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.accounts.first_run import ensure_admin


class Command(BaseCommand):
    help = "Make the admin and the CLI's credentials, as far as they are missing."

    def handle(self, *args: object, **options: object) -> None:
        self.stdout.write(ensure_admin(settings.INSTANCE).email)
