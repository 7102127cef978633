"""The pages' addresses, all below /dashboard/."""

from __future__ import annotations

from django.urls import include, path, re_path

from apps.dashboard.views import (
    access,
    apps,
    builds,
    config,
    logs,
    processes,
    releases,
    settings,
    signing,
)
from apps.dashboard.views.missing import missing

app_name = "dashboard"
_app = [
    path("builds", builds.list_builds, name="builds"),
    path("builds/<uuid:key>", builds.show_build, name="build"),
    path("builds/<uuid:key>/cancel", builds.cancel, name="cancel-build"),
    path("builds/<uuid:key>/events", builds.events, name="build-events"),
    path("releases", releases.list_releases, name="releases"),
    path("releases/<int:version>", releases.show_release, name="release"),
    path("releases/<int:version>/rollback", releases.rollback, name="rollback"),
    path("releases/<int:version>/events", releases.events, name="release-events"),
    path("config", config.show_config, name="config"),
    path("config/reveal", config.reveal, name="reveal-config"),
    path("config/review", config.review, name="review-config"),
    path("config/apply", config.apply, name="apply-config"),
    path("processes", processes.show_processes, name="processes"),
    path("processes/scale", processes.scale_type, name="scale"),
    path("processes/restart", processes.restart_some, name="restart"),
    path("logs", logs.show_logs, name="logs"),
    path("logs/events", logs.events, name="log-events"),
    path("access", access.show_access, name="access"),
    path("access/add", access.add, name="add-access"),
    path("access/<uuid:key>/change", access.change, name="change-access"),
    path("access/<uuid:key>/remove", access.remove, name="remove-access"),
    path("invitations/<uuid:key>/revoke", access.revoke, name="revoke-invitation"),
    path("settings", settings.show_settings, name="settings"),
    path("settings/maintenance", settings.maintenance, name="maintenance"),
    path("settings/destroy", settings.destroy_app, name="destroy"),
]
urlpatterns = [
    path("", apps.list_apps, name="apps"),
    path("sign-in", signing.sign_in_page, name="sign-in"),
    path("sign-out", signing.sign_out_page, name="sign-out"),
    path("invitations/<str:token>", signing.accept_invitation, name="accept-invitation"),
    path("new", apps.new_app, name="new-app"),
    path("apps/<str:name>", apps.show_app, name="app"),
    path("apps/<str:name>/", include(_app)),
    re_path("", missing),
]
