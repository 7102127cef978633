"""`manage.py first_run`: what `make up` needs before anyone can use it."""

from __future__ import annotations

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from apps.accounts.first_run import ensure_admin


class Command(BaseCommand):
    help = "Make the admin and the CLI's credentials, if missing, and collect the static files."

    def handle(self, *args: object, **options: object) -> None:
        call_command("collectstatic", interactive=False, verbosity=0)
        self.stdout.write(ensure_admin(settings.INSTANCE).email)
