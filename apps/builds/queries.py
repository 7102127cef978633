"""Finding builds."""

from __future__ import annotations

import re
import uuid

from apps.accounts.errors import NotFound
from apps.builds.models import Build
from apps.catalog.models import App

_RELEASE = re.compile(r"v([1-9][0-9]{0,8})")  # no id begins so


def get_build(app: App, key: str) -> Build:
    """A build of `app` by id, by the beginning of its id, by a release's name ("v7"), or "latest".

    Raises:
        NotFound: none, or more than one begins so.
    """
    builds = Build.objects.filter(app=app).select_related("user", "app")
    if key == "latest":
        found = list(builds[:1])
    elif _is_uuid(key):
        found = list(builds.filter(id=key))
    elif version := _RELEASE.fullmatch(key):
        found = list(builds.filter(releases__version=int(version[1])))
    else:
        found = [build for build in builds if str(build.id).startswith(key.lower())]
    if len(found) != 1:
        raise NotFound("Couldn't find that build.")
    return found[0]


def _is_uuid(key: str) -> bool:
    try:
        uuid.UUID(key)
    except ValueError:
        return False
    return True
