"""What differs between two builds: their closures, package by package."""

from __future__ import annotations

from django.conf import settings

from apps.accounts.errors import Conflict, Refused, Unavailable
from apps.builds.models import Build
from paas.nix.difference import ClosureDifference, difference
from paas.nix.errors import NixError, NotInStore
from paas.nix.store import Store


def compare_builds(before: Build, after: Build) -> ClosureDifference:
    """
    Raises:
        Refused: one was not built by Nix.
        Conflict: one is not kept any more, or not done yet.
        Unavailable: there is no Nix here that can be used.
    """
    paths = [closure_of(build) for build in (before, after)]
    try:
        return difference(Store.of(settings.INSTANCE), *paths)
    except NotInStore as error:
        raise Conflict("One of the two has left the Nix store. Push again to build it.") from error
    except NixError as error:
        raise Unavailable(str(error)) from error


def closure_of(build: Build) -> str:
    """The store path whose closure a build is; raises as `compare_builds`."""
    short = str(build.id)[:8]
    if build.artifact is None:
        raise Conflict(f"Build {short} has no result that is kept, so there is nothing to look at.")
    if build.artifact["kind"] != "nix":
        raise Refused(
            f"Build {short} was made by the {build.artifact['kind']} builder, whose results have "
            "no closure. With PAAS_BUILDER=nix, builds from then on have one."
        )
    return str(build.artifact["path"])
