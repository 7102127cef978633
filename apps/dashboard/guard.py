"""What may ask for a page: the page itself and a person's navigation, never a neighbour.

Apps run on sub-domains of the panel's host. To a browser that is the same
site, so SameSite cookies go with their requests too. Browsers tell where a
request comes from (Fetch Metadata; on plain HTTP of another host than
localhost only `Origin`), and scripts cannot forge it.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase

from apps.accounts.errors import Forbidden

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def secure(response: HttpResponseBase) -> HttpResponseBase:
    """The headers that every page carries; nothing of it stays in a cache."""
    for name, value in HEADERS.items():
        response[name] = value
    response.setdefault("Cache-Control", "no-store")
    return response


def check_origin(request: HttpRequest) -> None:
    """
    Raises:
        Forbidden: another site, or an app of this one, is behind the request.
    """
    site = request.headers.get("Sec-Fetch-Site")
    unsafe = request.method not in SAFE_METHODS
    if site == "same-origin":
        return
    if unsafe:
        allowed = site is None and request.headers.get("Origin") == _own_origin(request)
    else:
        allowed = site in (None, "none") or _is_navigation(request)
    if not allowed:
        raise Forbidden(
            "This request was made by another page than the panel's own, so it was not carried "
            "out. If it was you, open the panel by its own address and try again there."
        )


def _is_navigation(request: HttpRequest) -> bool:
    """A link that somebody followed, in a window of its own: never a frame, image or script."""
    return (
        request.headers.get("Sec-Fetch-Mode") == "navigate"
        and request.headers.get("Sec-Fetch-Dest") == "document"
    )


def _own_origin(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"
