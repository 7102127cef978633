import os

from django.conf import settings
from django.http import HttpResponse
from django.urls import path


def index(request):
    version = (settings.STATIC_ROOT / "version.txt").read_text()
    greeting = os.environ.get("GREETING", "no greeting")
    return HttpResponse(f"{version} {greeting}\n", content_type="text/plain")


urlpatterns = [path("", index)]
