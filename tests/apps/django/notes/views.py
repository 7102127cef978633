"""The Django sample: says its version, GREETING, the visits in SQLite and the hashed stylesheet."""

import os

from django.http import HttpResponse
from django.templatetags.static import static

from notes.models import Visit

VERSION = "django one"


def index(request):
    Visit.objects.create()
    greeting = os.environ.get("GREETING", "no greeting")
    return HttpResponse(
        f"{VERSION} {greeting} visits={Visit.objects.count()} {static('style.css')}\n",
        content_type="text/plain",
    )
