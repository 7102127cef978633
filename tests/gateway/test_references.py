"""Branches and tags: what is deployed, what is stored, what is refused."""

from __future__ import annotations

import pytest

from paas.gateway.updates import Update, UpdateError, judge, parse
from tests.gateway.panel import FakePanel
from tests.gateway.world import Person, refs, remote_lines

SOME, OTHER, NONE = "1" * 40, "2" * 40, "0" * 40


def test_another_branch_is_stored_with_the_command_that_deploys_it(
    alice: Person, panel: FakePanel
) -> None:
    app = panel.create()
    commit = alice.remote(app).commit()
    push = alice.push("main:feature")
    assert push.returncode == 0
    assert remote_lines(push) == [
        " !     Branch feature stored, not deployed: only main is deployed.",
        " !     To deploy it: git push paas feature:main",
    ]
    assert (refs(app), app.builds) == ({"refs/heads/feature": commit}, [])


def test_another_deploy_branch_is_deployed(alice: Person, panel: FakePanel) -> None:
    app = panel.create(deploy_branch="release/now")
    commit = alice.remote(app).commit()
    assert alice.push("main:release/now").returncode == 0
    assert app.builds[0].commit == commit


def test_the_command_in_the_warning_deploys_a_tag(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    commit = alice.remote(app).commit()
    alice.git("tag", "-a", "v1.0", "-m", "One")
    line = remote_lines(alice.push("v1.0"))[1]
    assert line.endswith("git push paas 'v1.0^{}:refs/heads/main'")
    assert alice.push("v1.0^{}:refs/heads/main").returncode == 0
    assert app.builds[0].commit == commit


def test_push_all_deploys_the_deploy_branch_only(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    commit = alice.remote(app).commit()
    for name in ("feature", "other"):
        alice.git("branch", name)
    push = alice.push("--all")
    assert push.returncode == 0
    assert set(refs(app)) == {"refs/heads/main", "refs/heads/feature", "refs/heads/other"}
    assert [build.commit for build in app.builds] == [commit]


def test_a_failed_deploy_rejects_all_of_push_all(alice: Person, panel: FakePanel) -> None:
    app = panel.create(result="failed")
    alice.remote(app).commit()
    alice.git("branch", "feature")
    push = alice.push("--all")
    assert push.returncode == 1
    assert " !     Nothing of this push was stored: git takes all of it or nothing." in (
        remote_lines(push)
    )
    assert refs(app) == {}


def test_the_deploy_branch_cannot_be_deleted(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    commit = alice.remote(app).commit()
    alice.push()
    push = alice.push("--delete", "main")
    assert push.returncode == 1
    assert "main is the branch that gets deployed; it cannot be deleted" in push.stderr
    assert refs(app) == {"refs/heads/main": commit}


def test_other_branches_and_tags_can_be_deleted(alice: Person, panel: FakePanel) -> None:
    app = panel.create(deploy_branch="production")
    alice.remote(app).commit()
    alice.git("tag", "v1")
    alice.push("main", "main:feature", "v1")
    assert len(refs(app)) == 3
    # `main` is what the bare repository's HEAD names, which git itself would protect.
    push = alice.push("--delete", "main", "feature", "v1")
    assert push.returncode == 0, push.stderr
    assert refs(app) == {}


def test_what_is_no_branch_and_no_tag_is_refused(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    alice.remote(app).commit()
    push = alice.push("main:refs/notes/commits", "main")
    assert push.returncode == 1
    assert "refs/notes/commits is neither a branch nor a tag" in push.stderr
    assert (refs(app), app.builds) == ({}, [])


def test_what_is_no_commit_is_refused(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    alice.remote(app).commit()
    tree = alice.git("rev-parse", "HEAD^{tree}").stdout.strip()
    push = alice.push(f"{tree}:refs/heads/main")
    assert push.returncode == 1
    assert app.builds == []


@pytest.mark.parametrize("name", ["--x", "$(touch x)", "a;b", "ü'\"", "a%s", "-"])
def test_odd_names_are_quoted_for_who_copies_the_command(name: str) -> None:
    warning = judge([Update(NONE, SOME, f"refs/heads/{name}")], "main").warnings[1]
    import shlex

    assert shlex.split(warning.removeprefix("To deploy it: ")) == [
        "git",
        "push",
        "paas",
        f"{name}:main",
    ]


def test_no_name_reaches_the_terminal_raw() -> None:
    verdict = judge([Update(NONE, SOME, "refs/heads/\x1b[2J\udcff")], "main")
    assert all(line.isprintable() for line in verdict.warnings)


def test_many_branches_do_not_bury_the_deploy() -> None:
    pushed = [Update(NONE, SOME, f"refs/heads/b{i}") for i in range(1000)]
    assert judge(pushed, "main").warnings[-1].startswith("995 more")


@pytest.mark.parametrize(
    "rows", [None, {}, [["a"]], [[NONE, SOME, 1]], [["--x", SOME, "refs/heads/x"]]]
)
def test_what_is_no_update_is_refused(rows: object) -> None:
    with pytest.raises(UpdateError):
        parse(rows)


def test_a_deletion_is_told_from_a_change() -> None:
    assert Update(SOME, NONE, "r").deletes
    assert not Update(NONE, OTHER, "r").deletes


def test_hostile_reference_names_do_no_harm(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    commit = alice.remote(app).commit()
    names = ["$(touch pwned)", "a;b&c", "ü'\"", "x" * 200]
    names = [name.replace(" ", "${IFS}") for name in names]
    push = alice.push("main", *(f"main:refs/heads/{name}" for name in names))
    assert push.returncode == 0, push.stderr
    assert set(refs(app)) == {"refs/heads/main", *(f"refs/heads/{name}" for name in names)}
    assert app.builds[0].commit == commit
