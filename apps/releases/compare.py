"""What differs between two releases: names of config vars, never values, and the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.builds.models import Build
from apps.releases.create import variables_of
from apps.releases.models import Release


@dataclass(frozen=True)
class Difference:
    """From one set of config vars and one build to another."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    build_before: Build | None = None
    build_after: Build | None = None

    @property
    def code_changed(self) -> bool:
        before, after = self.build_before, self.build_after
        return (before and before.pk) != (after and after.pk)

    @property
    def config_changed(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def compare(before: Release | None, after: Release) -> Difference:
    """What `after` has that `before` has not, and the other way round."""
    return difference(
        variables_of(before),
        variables_of(after),
        build_before=before.build if before else None,
        build_after=after.build,
    )


def difference(
    before: Mapping[str, str],
    after: Mapping[str, str],
    *,
    build_before: Build | None = None,
    build_after: Build | None = None,
) -> Difference:
    """The names that differ, sorted."""
    both = before.keys() & after.keys()
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted(name for name in both if before[name] != after[name])),
        removed=tuple(sorted(before.keys() - after.keys())),
        build_before=build_before,
        build_after=build_after,
    )
