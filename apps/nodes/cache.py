"""`/cache/…`: the binary cache, for nodes.

Who asks is decided here; the file itself the front door sends, which is told
by a header where it lies below the cache's folder.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from apps.accounts.errors import Refused
from apps.nodes.tokens import node_of
from paas.errors import error_response, refused_response
from paas.nix.cache_folder import INFO

SEND = "X-Accel-Redirect"
"""The header that the front door answers by sending a file of the cache instead."""
_HASH = "[0-9a-df-np-sv-z]"
_KINDS = {
    re.compile(re.escape(INFO)): "text/x-nix-cache-info",
    re.compile(rf"{_HASH}{{32}}\.narinfo"): "text/x-nix-narinfo",
    re.compile(rf"nar/{_HASH}{{52}}\.nar(\.\w+)?"): "application/x-nix-nar",
}


@require_safe
def cache(request: HttpRequest, name: str) -> HttpResponse:
    """One file of the cache."""
    try:
        node_of(request)
    except Refused as error:
        return refused_response(error)
    kind = next((kind for pattern, kind in _KINDS.items() if pattern.fullmatch(name)), None)
    if kind is None or not (settings.INSTANCE.cache / "nix" / name).is_file():
        return error_response(404, "not_found", "There is nothing such in the cache.")
    return HttpResponse(headers={SEND: f"/{name}", "Content-Type": kind})
