"""The phases of a plan: in which order they run, and which of them see a lock file alone."""

from __future__ import annotations

from apps.builds.builders.base import BuildFailed
from buildpacks.plan import Phase


def apart(phase: Phase) -> bool:
    """Whether a phase sees its files alone, so that its results can be kept."""
    return bool(phase.commands and phase.files and phase.results)


def ordered(phases: tuple[Phase, ...]) -> list[Phase]:
    """Phases after those they depend on, otherwise in the plan's order."""
    done: list[Phase] = []
    waiting = list(phases)
    names = {phase.name for phase in phases}
    while waiting:
        finished = {phase.name for phase in done}
        ready = [p for p in waiting if set(p.depends_on) & names <= finished]
        if not ready:
            raise BuildFailed(
                f"The phases {', '.join(phase.name for phase in waiting)} wait for each other",
                "Their dependsOn form a circle.",
                "Correct dependsOn in nixpacks.toml.",
            )
        done.append(ready[0])
        waiting.remove(ready[0])
    return done


def after_fetch(phases: list[Phase]) -> int:
    """Where the dependencies are installed in a plan that has no phase for it."""
    early = [n for n, phase in enumerate(phases, 1) if phase.name in ("setup", "fetch")]
    return max(early, default=0)
