"""Which apps are not as their specs say, found out without applying anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from paas.runtimes.base import AppSpec, LimitExceeded
from paas.runtimes.local.deployment import wanted
from paas.runtimes.local.observing import programs_of
from paas.runtimes.local.parts import Parts
from paas.runtimes.local.state import AppState, Phase


def drift(parts: Parts, specs: Iterable[AppSpec]) -> Mapping[str, str]:
    """The body of `Runtime.drift`; without supervisord no app is as it should be.

    It takes no locks: what is being changed meanwhile may be in it, and whoever
    applies it finds that out.
    """
    programs = set(programs_of(parts))
    return {spec.app_id: "" for spec in specs if not _is_true(parts, spec, programs)}


def _is_true(parts: Parts, spec: AppSpec, programs: set[str]) -> bool:
    state = parts.store.read(spec.app_id)
    live = state.among(Phase.LIVE)
    return (
        _is_routed(parts, spec, state)
        and parts.own.are(spec.hosts, spec.certificates)
        and state.release == spec.release
        and {(record.name, record.fingerprint) for record in live} == _keys(spec)
        and all(record.program(state.app_id) in programs for record in live)
    )


def _is_routed(parts: Parts, spec: AppSpec, state: AppState) -> bool:
    told = (state.hosts, state.maintenance) == (spec.hosts, spec.maintenance)
    return told and parts.routes.leads(state.hosts, state.web_ports, maintenance=state.maintenance)


def _keys(spec: AppSpec) -> set[tuple[str, str]] | None:
    """None for a spec that cannot be true here; `apply` says why."""
    with suppress(LimitExceeded):
        return {one.key for one in wanted(spec)}
    return None
