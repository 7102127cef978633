"""Where a build keeps its log and its work."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from apps.builds.log import LogFile
from apps.builds.models import Build


def build_log(build: Build) -> LogFile:
    return LogFile(Path(settings.INSTANCE.build_logs) / f"{build.id}.log")


def work_dir(build: Build) -> Path:
    """Its folder while it goes on; nothing of it remains afterwards."""
    return Path(settings.INSTANCE.build_dirs) / str(build.id)
