"""Every call, command and git service × everybody who may come: docs/authorisation.md, asserted."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from tests.authorisation import surface, table
from tests.authorisation.clients import CommandLine, OverHttp, OverSsh, Transport, call
from tests.authorisation.scene import Scene, body_of, undone
from tests.authorisation.table import NOBODY, ROLES, Row

pytestmark = [
    pytest.mark.django_db,
    # Streams are served by WSGI here, which has to wait for their end.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators"),
]

Attempt = Callable[[str, str], tuple[str, str]]
"""What a role, with its token, gets: the answer, and what was said with it."""

CALLS = table.rows("Calls")
COMMANDS = table.rows("Commands")
OVER_HTTP = table.rows("git over HTTP")
OVER_SSH = table.rows("git over SSH")
OWN_COMMANDS = table.commands("Commands that ask no panel")


def each(rows: Iterable[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.what) for row in rows])


def check(scene: Scene, row: Row, attempt: Attempt) -> None:
    """Everybody attempts `row`; what differs from the table is told all at once."""
    wrong = []
    for role, cell in row.cells.items():
        if cell.answer == NOBODY:
            continue
        token = scene.token(role, row)
        with undone():
            answer, said = attempt(role, token)
        if not _agrees(cell.answer, answer):
            wrong.append(f"{role}: {cell.answer} is written, {answer} was given: {said[:300]}")
    assert not wrong, f"{row.what} (docs/authorisation.md):\n" + "\n".join(wrong)


def _agrees(written: str, given: str) -> bool:
    if written == "open":  # the same for everybody; it may still have nothing good to say
        return given not in ("401", "403", "404", "405")
    return written == given


@each(CALLS)
def test_calls(scene: Scene, row: Row) -> None:
    def attempt(role: str, token: str) -> tuple[str, str]:
        body = body_of(scene.fill(row.given, role, row))
        return call(row.what, scene.path(row.what, role, row), body, token)

    check(scene, row, attempt)


@each(COMMANDS)
def test_commands(scene: Scene, command_line: CommandLine, row: Row) -> None:
    def attempt(role: str, token: str) -> tuple[str, str]:
        line = scene.fill(row.what, role, row).removeprefix("paas ")
        return command_line.run(line, scene.fill(row.given, role, row), token)

    check(scene, row, attempt)


def check_git(scene: Scene, row: Row, transport: Transport) -> None:
    """One row over one transport; for another, add its table and a test of three lines."""

    def attempt(role: str, token: str) -> tuple[str, str]:
        return transport.attempt(row.what, scene.app.name, role, token)

    check(scene, row, attempt)


@each(OVER_HTTP)
def test_git_over_http(scene: Scene, over_http: OverHttp, row: Row) -> None:
    check_git(scene, row, over_http)


@each(OVER_SSH)
def test_git_over_ssh(scene: Scene, over_ssh: OverSsh, row: Row) -> None:
    check_git(scene, row, over_ssh)


# --- nothing is left out ------------------------------------------------------
def _called() -> set[str]:
    """The calls of the table, with plain parameters: `{collaborator=self}` is one."""
    return {surface.PARAMETER_VALUE.sub("}", row.what) for row in CALLS}


def _how_to_add(missing: set[str], heading: str) -> str:
    blank = " | ".join("?" for _ in ROLES)
    lines = "\n".join(f"| `{what}` |  | {blank} |" for what in sorted(missing))
    return (
        f"Who may do this? Answer in docs/authorisation.md under '## {heading}' "
        f"(what a path or body names lies in tests/authorisation/scene.py):\n{lines}"
    )


def test_every_call_has_a_row() -> None:
    missing = (surface.calls() | surface.documented_calls()) - _called()
    assert not missing, _how_to_add(missing, "Calls")


def test_every_other_route_has_a_row() -> None:
    missing = surface.plain_routes() - {what.partition(" ")[2] for what in _called()}
    assert not missing, _how_to_add({f"GET {route}" for route in missing}, "Calls")


def test_every_command_has_a_row() -> None:
    named = [row.what for row in COMMANDS] + OWN_COMMANDS
    missing = surface.commands() - {what.split()[1] for what in named}
    assert not missing, _how_to_add({f"paas {name}" for name in missing}, "Commands")


def test_every_service_has_a_row_for_every_transport() -> None:
    for rows in (OVER_HTTP, OVER_SSH):
        assert [row.what for row in rows] == ["git fetch", "git push"]


def test_only_keys_are_without_a_scope() -> None:
    """So that "-" can leave no other question open."""
    skipped = {
        (heading, role)
        for heading in ("Calls", "Commands", "git over HTTP", "git over SSH")
        for row in table.rows(heading)
        for role, cell in row.cells.items()
        if cell.answer == NOBODY
    }
    assert skipped == {("git over SSH", "wrong scope")}


def test_no_row_is_about_what_is_gone() -> None:
    routes = {f"{m} {r}" for r in surface.plain_routes() for m in ("GET", "POST")}
    assert _called() <= surface.calls() | routes
    named = {what.split()[1] for what in [*(row.what for row in COMMANDS), *OWN_COMMANDS]}
    assert named <= surface.commands()


def test_what_has_no_row_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "calls", lambda: {"GET /new/{thing}"})
    with pytest.raises(AssertionError) as told:
        test_every_call_has_a_row()
    assert "docs/authorisation.md under '## Calls'" in str(told.value)
    assert "| `GET /new/{thing}` |  | ? | ? |" in str(told.value)
