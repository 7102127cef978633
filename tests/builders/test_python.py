"""Dependencies: shared by lock, made once and whole, isolated where foreign code runs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from apps.builds.builders import toolchains
from apps.builds.builders.host import BuildFailed, Built
from apps.builds.builders.installer import TARGET
from buildpacks.plan import Pin, PythonDependencies
from paas import sandbox
from paas.sandbox import Bind, Sandbox
from tests.builders.conftest import Site, plan, sha256, wheel

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
NEEDS = PythonDependencies("requirements", ("requirements.txt",))


def run(site: Site, built: Built, code: str) -> str:
    """What `code` prints in a sandbox with the artifact, as the local runtime makes one."""
    mounts = [Bind(Path(mount.source), mount.target) for mount in built.artifact.mounts]
    box = Sandbox(
        name=f"test-{os.getpid()}",
        binds=(Bind(Path(built.artifact.path), "/app"), *mounts),
        environment={"PATH": ":".join([*built.artifact.path_entries, "/usr/bin", "/bin"])},
        uid=sandbox.uid_for(99, site.instance.home),
    )
    child = sandbox.start(box, ["sh", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert child.stdout is not None
    output = child.stdout.read().decode()
    assert child.wait() == 0, output
    return output


def dependencies(built: Built) -> str:
    return next(mount.source for mount in built.artifact.mounts if mount.target == TARGET)


def test_an_unchanged_lock_installs_nothing(site: Site, packages: Path) -> None:
    wheel(packages, "alpha")
    files = {"requirements.txt": "alpha\n"}
    first = site.build(plan(python=NEEDS), files)
    assert any("alpha==1.0" in line for line in site.log)
    wheel(packages, "alpha", "2.0")
    second = site.build(plan(python=NEEDS), files | {"app.py": "x = 1"}, app_number=8)
    assert "-----> Using cached dependencies" in site.log
    assert dependencies(first) == dependencies(second)  # another app's, too
    assert run(site, second, "python -c 'import alpha; print(alpha.VALUE)'; alpha-run") == (
        "1\nscript of alpha\n"
    )
    assert site.left_over() == []


def test_it_comes_byte_compiled_and_cannot_be_changed(site: Site, packages: Path) -> None:
    wheel(packages, "alpha")
    built = site.build(
        plan("touch /deps/python/x || echo refused", python=NEEDS), {"requirements.txt": "alpha\n"}
    )
    assert any(line.strip() == "refused" for line in site.log)
    assert list(Path(dependencies(built)).glob("lib/*/site-packages/__pycache__/alpha.*.pyc"))


def test_other_requirements_make_another_environment(site: Site, packages: Path) -> None:
    wheel(packages, "alpha")
    wheel(packages, "beta")
    one = site.build(plan(python=NEEDS), {"requirements.txt": "alpha\n"})
    two = site.build(plan(python=NEEDS), {"requirements.txt": "alpha\nbeta\n"})
    extra = PythonDependencies("requirements", ("requirements.txt",), ("beta",))
    three = site.build(plan(python=extra), {"requirements.txt": "alpha\n"})
    assert len({dependencies(built) for built in (one, two, three)}) == 3
    assert run(site, three, "python -c 'import alpha, beta'") == ""


def test_two_builds_at_once_install_once(site: Site, packages: Path) -> None:
    wheel(packages, "alpha")
    jobs = [site.job({"requirements.txt": "alpha\n"}) for _ in range(2)]
    found: list[Built] = []

    def build(n: int) -> None:
        made = site.builder.execute(plan(python=NEEDS), jobs[n], site.log.append, site.cancel)
        found.append(made)

    threads = [threading.Thread(target=build, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({dependencies(built) for built in found}) == 1
    assert sum("+ alpha==1.0" in line for line in site.log) == 1


def test_the_rest_of_a_killed_installation_is_cleared(site: Site, packages: Path) -> None:
    wheel(packages, "alpha")
    built = site.build(plan(python=NEEDS), {"requirements.txt": "alpha\n"})
    made = Path(dependencies(built))
    made.rename(made.with_name(f".{made.name}.new-dead"))  # as kill -9 before the rename leaves it
    again = site.build(plan(python=NEEDS), {"requirements.txt": "alpha\n"})
    assert dependencies(again) == str(made)
    assert site.left_over() == []


def test_what_must_be_built_stays_with_the_app(site: Site, packages: Path) -> None:
    _source_package(packages, "gamma", site.instance.home)
    files = {"requirements.txt": "gamma\n"}
    one = site.build(plan(python=NEEDS), files, app_number=7)
    two = site.build(plan(python=NEEDS), files, app_number=8)
    assert dependencies(one) != dependencies(two)
    report = json.loads(run(site, one, "python -c 'import gamma; print(gamma.REPORT)'"))
    assert report["home"] == "not there"
    assert report["secret"] is None
    if os.geteuid() == 0:
        assert report["uid"] == sandbox.uid_for(7, site.instance.home)
    site.build(plan(python=NEEDS), files, app_number=8)
    assert "-----> Using cached dependencies" in site.log


def test_what_cannot_be_resolved_is_told_in_uvs_words(site: Site, packages: Path) -> None:
    with pytest.raises(BuildFailed) as failure:
        site.build(plan(python=NEEDS), {"requirements.txt": "no-such-package-here\n"})
    assert "requirements.txt" in failure.value.what
    assert "no-such-package-here" in failure.value.why
    assert "push again" in failure.value.fix
    assert site.left_over() == []


def test_an_installed_project_sees_its_own_tree(site: Site, packages: Path) -> None:
    needs = PythonDependencies("requirements", ("requirements.txt",), project=True)
    wheel(packages, "alpha")
    files = {"requirements.txt": "./wheels/beta-1.0-py3-none-any.whl\nalpha\n"}
    (site.folder / "source1" / "wheels").mkdir(parents=True)
    wheel(site.folder / "source1" / "wheels", "beta")
    built = site.build(plan(python=needs), files)
    assert run(site, built, "python -c 'import alpha, beta; print(2)'") == "2\n"


@pytest.mark.parametrize("manager", ["poetry", "pdm", "pipenv"])
def test_locks_of_other_managers_are_installed_exactly(
    site: Site, packages: Path, manager: str
) -> None:
    proof = f"sha256:{sha256(wheel(packages, 'alpha'))}"
    wheel(packages, "alpha", "2.0")
    name, text = _lock(manager, proof)
    built = site.build(plan(python=PythonDependencies(manager, (name,))), {name: text})
    assert run(site, built, "alpha-run") == "script of alpha\n"
    assert any("alpha==1.0" in line for line in site.log)
    with pytest.raises(BuildFailed, match=name):
        bad = {name: text.replace(proof, "sha256:" + "0" * 64)}
        site.build(plan(python=PythonDependencies(manager, (name,))), bad)
    with pytest.raises(BuildFailed, match="could not be read"):
        smuggled = text.replace("1.0", "1.0\\n--index-url http://evil.example")
        site.build(plan(python=PythonDependencies(manager, (name,))), {name: smuggled})


def test_an_older_poetry_lock_leaves_platforms_to_uv(site: Site, packages: Path) -> None:
    wheel(packages, "alpha")
    wheel(packages, "alpha", "2.0")
    files = {
        "poetry.lock": '[[package]]\nname = "alpha"\nversion = "1.0"\noptional = false\n'
        '[[package]]\nname = "onlywindows"\nversion = "9"\noptional = false\n'
        '[metadata]\nlock-version = "2.0"\n',
        "pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\nalpha = "^1.0"\n'
        'onlywindows = {version = "^9", markers = "sys_platform == \'win32\'"}\n',
    }
    needs = PythonDependencies("poetry", ("poetry.lock", "pyproject.toml"))
    site.build(plan(python=needs), files)
    assert any("+ alpha==1.0" in line for line in site.log)


def test_an_older_python_is_tried_where_a_package_refuses_the_newest(
    site: Site, packages: Path
) -> None:
    minors = {one.minor: one for one in reversed(toolchains.installed_pythons())}
    newest, *older = sorted(minors.values(), key=lambda one: one.version, reverse=True)
    if not older or older[0].version.release < (3, 8):
        pytest.skip("there is one Python here")
    refuse = f"import sys\nassert sys.version_info[:2] < {newest.version.release[:2]}"
    _source_package(packages, "gamma", site.instance.home, refuse)
    files = {"requirements.txt": "gamma\n"}
    unpinned = plan(python=NEEDS, pin=Pin("python", "", "default"))
    built = site.build(unpinned, files)
    assert any("could not be built" in line and "trying" in line for line in site.log)
    assert f"Python {older[0].version} is used" in "\n".join(built.warnings)
    asked = "python -c 'import gamma, sys; print(*sys.version_info[:2], sep=\".\")'"
    assert run(site, built, asked) == f"{older[0].minor}\n"
    site.build(unpinned, files)
    assert "-----> Using cached dependencies" in site.log
    with pytest.raises(BuildFailed, match="could not be built") as failure:
        pinned = Pin("python", f"=={newest.minor}.*", ".python-version")
        site.build(plan(python=NEEDS, pin=pinned), files, app_number=8)
    assert ".python-version" in failure.value.fix
    assert site.left_over() == []


def _lock(manager: str, proof: str) -> tuple[str, str]:
    if manager == "pipenv":
        package = {"version": "==1.0", "hashes": [proof]}
        return "Pipfile.lock", json.dumps({"default": {"alpha": package}, "develop": {}})
    text = (
        '[[package]]\nname = "alpha"\nversion = "1.0"\ngroups = ["GROUP"]\n'
        f'files = [{{file = "alpha.whl", hash = "{proof}"}}]\n'
        '[[package]]\nname = "onlytests"\nversion = "9"\ngroups = ["dev"]\nfiles = []\n'
        '[[package]]\nname = "onlywindows"\nversion = "9"\ngroups = ["GROUP"]\n'
        f"{'markers' if manager == 'poetry' else 'marker'} = \"sys_platform == 'win32'\"\n"
    )
    group = "main" if manager == "poetry" else "default"
    return f"{manager}.lock", text.replace("GROUP", group) + '[metadata]\nlock-version = "2.1"\n'


def _source_package(folder: Path, name: str, home: Path, first: str = "") -> None:
    """A source distribution whose build backend runs `first` and reports what it can see."""
    backend = f"""
{first}
import json, os, zipfile
def report():
    home = 'there' if os.path.exists({str(home)!r}) else 'not there'
    return json.dumps(dict(home=home, secret=os.environ.get('SECRET_KEY'), uid=os.getuid()))
def build_wheel(folder, *_):
    path = '{name}-1.0-py3-none-any.whl'
    info = '{name}-1.0.dist-info'
    with zipfile.ZipFile(os.path.join(folder, path), 'w') as archive:
        archive.writestr('{name}.py', 'REPORT = ' + repr(report()))
        archive.writestr(info + '/METADATA', {METADATA.format(name=name)!r})
        archive.writestr(info + '/WHEEL', {WHEEL!r})
        archive.writestr(info + '/RECORD', '')
    return path
"""
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        f'backend-path = ["."]\n[project]\nname = "{name}"\nversion = "1.0"\n',
        "backend.py": backend,
        "PKG-INFO": METADATA.format(name=name),
    }
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
        for member, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{member}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
