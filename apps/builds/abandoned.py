"""What a build leaves when its worker dies in the midst of it."""

from __future__ import annotations

from django.conf import settings

from apps.builds.builders.nix import native
from apps.builds.models import Build
from apps.builds.paths import work_dir
from paas.nix.roots import Roots
from paas.sandbox import forget, remove_tree

_GROUPS = ("build", "deps", "nix", "nix-set")
"""What the control groups of a build's commands begin with."""


def clear(build: Build) -> None:
    """End whatever still runs of a build that nobody works on, and delete its work.

    Its artifact, if it has come that far, is retention's to delete. May be repeated.
    """
    for kind in _GROUPS:
        forget(f"{kind}-{build.id}")
    roots = Roots.of(settings.INSTANCE)
    roots.remove(native.root_name(str(build.id)))
    if build.artifact is None:
        roots.remove(str(build.id))
    remove_tree(work_dir(build))
