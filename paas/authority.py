"""`GET /ca.pem`: the certificate by which a client knows this instance's attach sessions.

It is public. A client trusts it as much as the way it came, which is the way
its token goes.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

_TYPE = "application/x-pem-file"


def authority(request: HttpRequest) -> HttpResponse:
    """The file `ca.pem`; 503 until the gateway has made it."""
    try:
        return HttpResponse(settings.INSTANCE.authority.read_bytes(), content_type=_TYPE)
    except FileNotFoundError:
        message = "The certificate is not made yet. Try again in a moment."
        return JsonResponse({"id": "unavailable", "message": message}, status=503)
