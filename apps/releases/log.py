"""Where a release's output is kept."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from apps.builds.log import LogFile
from apps.releases.models import Release


def release_log(release: Release) -> LogFile:
    return LogFile(Path(settings.INSTANCE.release_logs) / f"{release.id}.log")
