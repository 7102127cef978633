"""Phases that see their files alone: kept, shared where that is safe, put into the tree safely."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from apps.builds.builders import sweep
from apps.builds.builders.host import BuildFailed, Built
from buildpacks.plan import Phase, Plan
from paas import sandbox
from tests.builders.conftest import Site

FILES = {"lock": "1", "package": "p", "app.txt": "the app"}
FETCH = (
    "ls > listing; mkdir -p node_modules/.bin; cat lock > node_modules/locked; "
    "id -u > node_modules/user; echo fetched; ln -s ../locked node_modules/.bin/link"
)
REBUILD = "id -u > node_modules/builder; test -e /proc/net/dev; wc -l < /proc/net/dev"


def phases(
    *more: Phase,
    fetch: str = FETCH,
    rebuild: str = "",
    inert: bool = True,
    results: tuple[str, ...] = ("node_modules",),
    variables: dict[str, str] | None = None,
) -> Plan:
    files = ("lock", "package")
    made = [Phase("fetch", (fetch,), files=files, results=results, inert=inert)]
    if rebuild:
        made.append(Phase("rebuild", (rebuild,), ("fetch",), files=files, results=results))
    return Plan(("x",), "X", phases=(*made, *more), variables=variables or {})


def read(built: Built, name: str) -> str:
    return (Path(built.artifact.path) / name).read_text().strip()


def count(site: Site, line: str) -> int:
    return sum(one.strip() == line for one in site.log)


def test_the_results_come_into_the_tree(site: Site) -> None:
    built = site.build(phases(), FILES)
    assert read(built, "node_modules/locked") == "1"
    link = Path(built.artifact.path) / "node_modules/.bin/link"
    assert link.readlink() == Path("../locked")
    assert read(built, "app.txt") == "the app"
    assert not (Path(built.artifact.path) / "listing").exists(), "no result"
    if os.geteuid() == 0:
        owner = (Path(built.artifact.path) / "node_modules/locked").stat().st_uid
        assert owner == sandbox.uid_for(7, site.instance.home)
    assert site.left_over() == []


def test_the_phase_sees_its_files_alone(site: Site) -> None:
    fetch = "mkdir node_modules; ls > node_modules/seen; ls /deps >> node_modules/seen"
    built = site.build(phases(fetch=fetch), FILES)
    assert read(built, "node_modules/seen").split() == ["lock", "node_modules", "package", "cache"]


def test_nothing_that_was_fetched_is_in_the_path(site: Site) -> None:
    """A package with a program called chmod must not become what the installer runs."""
    fetch = (
        "mkdir -p node_modules/.bin; printf '#!/bin/sh\\nid -u > /deps/cache/caught\\n' > "
        "node_modules/.bin/chmod; /bin/chmod +x node_modules/.bin/chmod"
    )
    plan = phases(fetch=fetch)
    built = site.build(Plan(("node",), "Node.js", phases=plan.phases), FILES)
    assert "/app/node_modules/.bin" in built.artifact.path_entries
    assert not (site.instance.cache / "downloads" / "caught").exists()


def test_unchanged_files_run_nothing(site: Site) -> None:
    site.build(phases(), FILES)
    assert count(site, "fetched") == 1
    site.build(phases(), FILES | {"app.txt": "changed"}, app_number=8)
    assert count(site, "fetched") == 0, "another app's, too"
    site.build(phases(), FILES | {"lock": "2"})
    assert count(site, "fetched") == 1
    site.build(phases(variables={"NODE_ENV": "x"}), FILES)
    assert count(site, "fetched") == 1, "variables steer the commands"


def test_what_runs_code_of_others_stays_with_the_app(site: Site) -> None:
    site.build(phases(inert=False), FILES, app_number=7)
    site.build(phases(inert=False), FILES, app_number=8)
    assert count(site, "fetched") == 1
    site.build(phases(inert=False), FILES, app_number=8)
    assert count(site, "fetched") == 0
    if os.geteuid() == 0:
        own = sandbox.uid_for(8, site.instance.home)
        built = site.build(phases(inert=False), FILES, app_number=8)
        assert read(built, "node_modules/user") == str(own)


def test_scripts_go_on_from_what_was_fetched_as_the_apps_user(site: Site) -> None:
    built = site.build(phases(rebuild=REBUILD), FILES)
    assert read(built, "node_modules/locked") == "1"
    if os.geteuid() == 0:
        assert read(built, "node_modules/user") == str(sandbox.uid_for(0, site.instance.home))
        assert read(built, "node_modules/builder") == str(sandbox.uid_for(7, site.instance.home))
    site.build(phases(rebuild=REBUILD), FILES)
    assert count(site, "-----> Using cached rebuild") == 1


def test_scripts_cannot_change_what_others_get(site: Site) -> None:
    site.build(phases(rebuild="echo evil > node_modules/locked"), FILES, app_number=7)
    built = site.build(phases(), FILES, app_number=8)
    assert read(built, "node_modules/locked") == "1"


def test_a_failure_leaves_nothing_and_tells_the_hint(site: Site) -> None:
    with pytest.raises(BuildFailed) as failure:
        site.build(phases(fetch="echo no; exit 3"), FILES)
    assert "fetch" in failure.value.what
    assert "exit status 3" in failure.value.why
    assert site.left_over() == []
    assert list((site.instance.cache / "dependencies").glob("[!.]*")) == []


def test_two_builds_at_once_make_it_once(site: Site) -> None:
    jobs = [site.job(FILES, app_number=number) for number in (7, 8)]
    plan = phases(fetch=f"sleep 0.3; {FETCH}")

    def build(number: int) -> None:
        site.builder.execute(plan, jobs[number], site.log.append, site.cancel)

    threads = [threading.Thread(target=build, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert count(site, "fetched") == 1


@pytest.mark.parametrize("link", ["/etc", "/deps", "../.."])
def test_links_in_the_tree_lead_the_results_nowhere(site: Site, link: str) -> None:
    """The copying is done by the app's user in a sandbox, not by the panel."""
    results = ("members/a/node_modules",)
    fetch = "mkdir -p members/a/node_modules; touch members/a/node_modules/x"
    setup = Phase("setup", (f"ln -s {link} members",))
    plan = phases(fetch=fetch, results=results)
    plan = Plan(("x",), "X", phases=(setup, *plan.phases))
    with pytest.raises(BuildFailed) as failure:
        site.build(plan, FILES)
    assert "/app/members/a/node_modules" in failure.value.what
    assert not Path("/etc/a").exists()


def test_links_in_a_result_lead_the_panel_nowhere(site: Site) -> None:
    """A package's script may make a link of the folder that holds the results."""
    rebuild = "rm -rf node_modules; ln -s /etc node_modules"
    with pytest.raises(BuildFailed) as failure:
        site.build(phases(rebuild=rebuild), FILES)
    assert "a link of node_modules" in failure.value.what


@pytest.mark.parametrize("name", ["../../secret", "gone", "."])
def test_files_outside_of_the_tree_are_not_read(site: Site, name: str) -> None:
    plan = Plan(("x",), "X", phases=(Phase("fetch", ("true",), files=(name,), results=("y",)),))
    with pytest.raises(BuildFailed) as failure:
        site.build(plan, FILES)
    assert name in failure.value.what


def test_committed_results_are_replaced(site: Site) -> None:
    built = site.build(phases(), FILES | {"node_modules/old": "x"})
    assert not (Path(built.artifact.path) / "node_modules/old").exists()


def test_results_below_deps_are_shown_and_kept(site: Site) -> None:
    plan = phases(
        Phase("build", ("cat /deps/go/module > app.txt", "touch /deps/go/x || echo refused")),
        fetch="echo 1 > /deps/go/module",
        results=("/deps/go",),
    )
    built = site.build(plan, FILES)
    assert read(built, "app.txt") == "1"
    assert count(site, "refused") == 1
    (mount,) = built.artifact.mounts
    assert mount.target == "/deps/go"
    assert sweep.sweep_dependencies(site.instance, unused_after=-1) == []
    assert Path(mount.source, "module").read_text() == "1\n"


def test_phases_without_results_run_in_the_tree(site: Site) -> None:
    phase = Phase("build", ("cat app.txt > copy",), files=("lock",))
    built = site.build(Plan(("x",), "X", phases=(phase,)), FILES)
    assert read(built, "copy") == "the app"
