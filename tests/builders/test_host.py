"""The host builder: phases in the sandbox, the artifact, failures that leave nothing."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from apps.builds.builders import steps
from apps.builds.builders.base import BuildCancelled, BuildFailed
from apps.builds.builders.output import MAX_LINE, MAX_OUTPUT
from apps.builds.builders.steps import Guard
from buildpacks.plan import Phase, Pin, Plan, PythonDependencies
from paas import sandbox
from tests.builders.conftest import Site, plan


def output(site: Site) -> list[str]:
    """What programs printed."""
    return [line.strip() for line in site.log if line.startswith("       ")]


def test_a_phase_changes_the_tree_that_becomes_the_artifact(site: Site) -> None:
    built = site.build(plan("mkdir made && cp in made/out"), {"in": "text"})
    path = Path(built.artifact.path)
    assert (path / "made" / "out").read_text() == "text"
    record = json.loads((path.parent / "artifact.json").read_text())
    assert record["digest"] == built.artifact.digest
    assert [phase.name for phase in built.phases] == ["build", "artifact"]
    assert site.left_over() == []


def test_the_output_is_herokus(site: Site) -> None:
    site.build(plan(r"printf 'one\ntwo'; printf '\033[31mred\033[0m\r\n\007x\000y' >&2"), {})
    assert site.log == [
        r"-----> Running printf 'one\ntwo'; printf '\033[31mred\033[0m\r\n\007x\000y' >&2",
        "       one",
        "       twored",
        "       xy",
    ]


def test_the_digest_is_that_of_the_contents(site: Site) -> None:
    files = {"a": "1", "b/c": "2"}
    digests = [
        site.build(plan(), one).artifact.digest for one in (files, files, files | {"a": "2"})
    ]
    assert digests[0] == digests[1] != digests[2]
    executable = site.build(plan("chmod +x a"), files).artifact.digest
    assert executable != digests[0]


def test_a_build_sees_the_plans_variables_and_no_others(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANEL_SECRET", "canary-4711")
    (site.instance.home / "keys").mkdir()
    (site.instance.home / "keys" / "secret_key").write_text("canary-4711")
    command = f"env; cat {site.instance.home}/keys/secret_key; ls {site.instance.home} || true"
    site.build(plan(command, variables={"DEBUG": "0"}), {})
    shown = output(site)
    assert "DEBUG=0" in shown
    assert "HOME=/app" in shown
    assert "canary-4711" not in "\n".join(site.log)
    assert any(len(line) > 40 for line in shown if line.startswith("SECRET_KEY="))


def test_only_phases_with_network_have_one(site: Site) -> None:
    look = "test $(tail -n +3 /proc/net/dev | wc -l) -gt 1 && echo more || echo loopback"
    site.build(plan(look), {})
    assert output(site) == ["loopback"]


def test_phases_run_in_the_order_of_their_needs(site: Site) -> None:
    phases = (
        Phase("build", commands=("echo 2",), depends_on=("install",)),
        Phase("install", commands=("echo 1",), depends_on=("nowhere",)),
    )
    site.build(Plan(("procfile",), "Procfile", phases=phases), {})
    assert output(site) == ["1", "2"]
    circle = (Phase("a", depends_on=("b",)), Phase("b", depends_on=("a",)))
    with pytest.raises(BuildFailed, match="wait for each other"):
        site.build(Plan(("procfile",), "Procfile", phases=circle), {})


def test_a_failing_command_says_what_and_leaves_nothing(site: Site) -> None:
    with pytest.raises(BuildFailed) as failure:
        site.build(plan("echo before; exit 7"), {"a": "1"})
    assert failure.value.what == "The phase build failed"
    assert "7" in failure.value.why
    assert "before" in output(site)
    assert site.left_over() == []
    assert not list(site.instance.artifacts.glob("*"))


def test_cancelling_ends_the_whole_tree(site: Site) -> None:
    threading.Timer(0.5, site.cancel.set).start()
    started = time.monotonic()
    with pytest.raises(BuildCancelled):
        site.build(plan("trap '' TERM; (sleep 61.5 &); while :; do echo x; done"), {})
    assert time.monotonic() - started < 30
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(b"sleep\0" + b"61.5" in one for one in running)
    assert site.left_over() == []


def test_a_build_that_takes_too_long_is_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard(threading.Event(), site.instance.home, seconds=0.3)
    box = sandbox.Sandbox("test-slow", cwd="/", uid=sandbox.uid_for(1, site.instance.home))
    with pytest.raises(BuildFailed, match="took longer"):
        steps.run(box, ["sleep", "60"], site.log.append, guard)


def test_a_full_disk_is_told_before_the_build(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "FREE_AT_START", 1 << 60)
    with pytest.raises(BuildFailed, match="nearly full") as failure:
        site.build(plan(), {})
    assert "free space" in failure.value.fix


def test_memory_of_a_build_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "LIMITS", sandbox.Limits(memory_mb=100))
    code = "import time; x = b'x' * (1 << 30); time.sleep(20)"
    with pytest.raises(BuildFailed, match="memory"):
        site.build(plan(f'python3 -c "{code}"'), {})


def test_a_flood_is_cut_and_harms_nobody(site: Site) -> None:
    built = site.build(plan("head -c 30000000 /dev/zero | tr '\\0' 'x'; yes | head -n 9000000"), {})
    assert sum(len(line) for line in site.log) < MAX_OUTPUT * 5
    assert max(len(line) for line in site.log) <= MAX_LINE + 7
    assert any("prints too much" in line for line in site.log)
    assert any("prints too much" in warning for warning in built.warnings)


def test_hostile_leftovers_of_a_build_are_handled(site: Site) -> None:
    deep = "import os\nfor _ in range(1200):\n    os.mkdir('d'); os.chdir('d')\n"
    with pytest.raises(BuildFailed, match="failed"):
        site.build(plan(f'python3 -c "{deep}"', "mkdir shut; chmod 0 shut; exit 1"), {})
    assert site.left_over() == []
    with pytest.raises(BuildFailed, match="cannot be read"):
        site.build(plan(f'python3 -c "{deep.replace("1200", "5000")}"'), {})
    assert site.left_over() == []
    built = site.build(plan("mkfifo pipe; ln -s /etc/shadow link"), {})
    assert (Path(built.artifact.path) / "link").is_symlink()


def test_a_missing_python_is_an_error_that_lists_what_is_here(site: Site) -> None:
    needs = PythonDependencies("none")
    with pytest.raises(BuildFailed) as failure:
        site.build(plan(python=needs, pin=Pin("python", "==3.99.*", ".python-version")), {})
    assert "3.99" in failure.value.what
    assert ".python-version" in failure.value.why
    assert "Installed: 3." in failure.value.why


def test_a_missing_patch_level_is_a_warning(site: Site) -> None:
    pinned = plan(python=PythonDependencies("none"))
    minor = pinned.pins[0].spec.removeprefix("==").removesuffix(".*")
    pin = Pin("python", f"{minor}.99", "runtime.txt")
    built = site.build(plan("python --version", python=PythonDependencies("none"), pin=pin), {})
    warning = next(line for line in site.log if line.startswith(" !     "))
    assert f"{minor}.99" in warning
    assert warning.removeprefix(" !     ") in built.warnings


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_as_root_a_build_runs_as_the_apps_user(site: Site) -> None:
    site.build(plan("id -u"), {})
    assert output(site) == [str(sandbox.uid_for(7, site.instance.home))]


def test_cache_directories_last_from_build_to_build_and_stay_out_of_the_artifact(
    site: Site,
) -> None:
    command = "ls .cache/tool | wc -l; echo x > .cache/tool/$$-$(date +%s%N)"
    phase = Phase("build", commands=(command,), cache_directories=("~/.cache/tool",))
    counts = []
    for app_number in (7, 7, 8):
        site.log = []
        job = site.job({"a": "1"}, app_number)
        made = Plan(providers=("procfile",), name="Procfile", phases=(phase,))
        built = site.builder.execute(made, job, site.log.append, site.cancel)
        counts += output(site)
        assert list(Path(built.artifact.path).glob(".cache/tool/*")) == []
    assert counts == ["0", "1", "0"]


def test_a_cache_directory_follows_no_link_out_of_the_tree(site: Site) -> None:
    phase = Phase("build", commands=("touch .c/x || echo no",), cache_directories=(".c", "../y"))
    job = site.job({"a": "1"})
    (job.tree / ".c").symlink_to("/etc")
    made = Plan(providers=("procfile",), name="Procfile", phases=(phase,))
    site.builder.execute(made, job, site.log.append, site.cancel)
    assert "no" in output(site)
    assert any("../y" in line and line.startswith(" !     ") for line in site.log)


def test_packages_that_the_machine_cannot_give_are_told(site: Site) -> None:
    phase = Phase("setup", packages=("ffmpeg",), libraries=("zlib",), apt_packages=("libpq",))
    made = Plan(providers=("procfile",), name="Procfile", phases=(phase,))
    built = site.builder.execute(made, site.job({"a": "1"}), site.log.append, site.cancel)
    said = "\n".join(line for line in site.log if line.startswith(" !     "))
    assert "ffmpeg, zlib" in said
    assert "libpq" in said
    assert len(built.warnings) == 2
