"""The pages' addresses, all below /dashboard/."""

from __future__ import annotations

from django.urls import path, re_path

from apps.dashboard.views import apps, builds, signing
from apps.dashboard.views.missing import missing

app_name = "dashboard"
urlpatterns = [
    path("", apps.list_apps, name="apps"),
    path("sign-in", signing.sign_in_page, name="sign-in"),
    path("sign-out", signing.sign_out_page, name="sign-out"),
    path("new", apps.new_app, name="new-app"),
    path("apps/<str:name>", apps.show_app, name="app"),
    path("apps/<str:name>/builds", builds.list_builds, name="builds"),
    path("apps/<str:name>/builds/<uuid:key>", builds.show_build, name="build"),
    path("apps/<str:name>/builds/<uuid:key>/cancel", builds.cancel, name="cancel-build"),
    path("apps/<str:name>/builds/<uuid:key>/events", builds.events, name="build-events"),
    re_path("", missing),
]
