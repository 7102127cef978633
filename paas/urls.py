"""Where requests go: health, pages, then the API at the root, shaped after Heroku's."""

from __future__ import annotations

from django.urls import include, path

from apps.builds.views import stream_build
from apps.logs.views import stream_session
from apps.nodes import registry
from apps.nodes.cache import cache
from apps.releases.views import stream_release
from paas.api import api
from paas.authority import authority
from paas.docs import docs
from paas.health import healthz
from paas.home import home, to_pages

urlpatterns = [
    path("", home),
    path("healthz", healthz),
    path("ca.pem", authority),
    path("dashboard", to_pages),
    path("dashboard/", include("apps.dashboard.urls")),
    path("docs", docs, name="docs"),
    path("log-sessions/<str:ticket>", stream_session),
    path("builds/<str:ticket>/output", stream_build, name="build-output"),
    path("releases/<str:ticket>/output", stream_release, name="release-output"),
    path("cache/<path:name>", cache),
    path("v2/", registry.registry),
    path("v2/<str:app>/tags/list", registry.tags),
    path("v2/<str:app>/manifests/<str:reference>", registry.manifest),
    path("v2/<str:app>/blobs/<str:digest>", registry.blob),
    path("", api.urls),
]
handler400 = "paas.errors.bad_request"
handler404 = "paas.errors.not_found"
handler500 = "paas.errors.server_error"
