"""What the tree installs of itself: a layer per build, over dependencies that stay shared."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from apps.builds.builders.host import BuildFailed, Built
from apps.builds.builders.installer import PROJECT
from buildpacks import SourceTree
from buildpacks import plan as plan_of
from buildpacks.plan import Plan
from tests.builders.conftest import Site, sha256, wheel
from tests.builders.test_python import dependencies, run

BACKEND = """
import os, zipfile
def build_wheel(folder, *_):
    path, info = "{name}-3.0-py3-none-any.whl", "{name}-3.0.dist-info"
    with zipfile.ZipFile(os.path.join(folder, path), "w") as archive:
        archive.write("src/{name}.py", "{name}.py")
        archive.writestr(info + "/METADATA", {metadata!r})
        archive.writestr(info + "/WHEEL",
            "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "/entry_points.txt",
            "[console_scripts]\\n{name}-serve = {name}:main\\n")
        archive.writestr(info + "/RECORD", "")
    return path
def build_editable(folder, *_):
    path, info = "{name}-3.0-py3-none-any.whl", "{name}-3.0.dist-info"
    with zipfile.ZipFile(os.path.join(folder, path), "w") as archive:
        archive.writestr("{name}.pth", os.path.abspath("src") + "\\n")
        archive.writestr(info + "/METADATA", {metadata!r})
        archive.writestr(info + "/WHEEL",
            "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "/RECORD", "")
    return path
"""
ASK = (
    "python -c 'import alpha, shop, importlib.metadata as m; "
    'print(shop.TEXT, m.version("shop"), alpha.VALUE)\''
)


def package(name: str, *requires: str, text: str = "one", head: str = "") -> dict[str, str]:
    """A tree with a package in `src`, whose build backend is in the tree too."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 3.0\n"
    metadata += "Provides-Extra: web\n" + "".join(f"Requires-Dist: {one}\n" for one in requires)
    listed = [one for one in requires if ";" not in one]
    return {
        "pyproject.toml": f'{head}[project]\nname = "{name}"\nversion = "3.0"\n'
        f"dependencies = {listed}\n"
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND.format(name=name, metadata=metadata),
        f"src/{name}.py": f"TEXT = {text!r}\ndef main():\n    print('serves', TEXT)\n",
        "Procfile": "web: true\n",
    }


def below(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": body for name, body in files.items() if name != "Procfile"}


def build(site: Site, files: dict[str, str], app_number: int = 7) -> Built:
    """Planned as a push is, from the tree."""
    site.log = []
    job = site.job(files, app_number)
    made: Plan = plan_of(SourceTree(job.tree))
    return site.builder.execute(made, job, site.log.append, site.cancel)


def layer(built: Built) -> str:
    return next(mount.source for mount in built.artifact.mounts if mount.target == PROJECT)


def poetry_lock(packages: Path, more: str = "") -> str:
    proof = sha256(packages / "alpha-1.0-py3-none-any.whl")
    return (
        '[[package]]\nname = "alpha"\nversion = "1.0"\ngroups = ["main"]\n'
        f'files = [{{file = "alpha.whl", hash = "sha256:{proof}"}}]\n{more}'
        '[metadata]\nlock-version = "2.1"\n'
    )


@pytest.mark.parametrize("manager", ["pyproject", "requirements", "editable", "poetry", "uv"])
def test_a_push_with_the_same_lock_installs_only_the_project(
    site: Site, packages: Path, manager: str
) -> None:
    wheel(packages, "alpha")

    def files(text: str) -> dict[str, str]:
        tree = package("shop", "alpha", text=text)
        if manager == "requirements":
            return tree | {"requirements.txt": ".\n"}
        if manager == "editable":
            return tree | {"requirements.txt": "-e .\n"}
        if manager == "poetry":
            return tree | {"poetry.lock": poetry_lock(packages)}
        return tree | {"uv.lock": uv_lock(site.folder, tree)} if manager == "uv" else tree

    first = build(site, files("one"))
    assert any("+ alpha==1.0" in line for line in site.log)
    second = build(site, files("two"))
    assert not any("alpha" in line for line in site.log)
    assert "-----> Using cached dependencies" in site.log
    assert dependencies(first) == dependencies(second)
    assert run(site, first, ASK) == "one 3.0 1\n"
    assert run(site, second, ASK) == "two 3.0 1\n"
    if manager != "editable":
        assert layer(first) != layer(second)
        assert run(site, second, "shop-serve; cd /; alpha-run") == ("serves two\nscript of alpha\n")
    assert site.left_over() == []


def uv_lock(folder: Path, tree: dict[str, str]) -> str:
    """What `uv lock` writes for `tree`."""
    work = folder / "locking"
    for name, text in tree.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    subprocess.run([str(uv), "lock", "--quiet"], cwd=work, check=True)
    return (work / "uv.lock").read_text()


def test_extras_and_the_packages_of_the_tree_are_told_apart(site: Site, packages: Path) -> None:
    wheel(packages, "alpha")
    wheel(packages, "beta")
    files = package("shop", "alpha ; extra == 'web'", "beta ; extra == 'dev'", "tools")
    files |= below("libs/tools", package("tools"))
    built = build(site, files | {"requirements.txt": "./libs/tools\n.[web]\n"})
    assert run(site, built, ASK) == "one 3.0 1\n"
    assert run(site, built, "python -c 'import tools'; tools-serve") == "serves one\n"
    assert not any("beta" in line for line in site.log)


def test_a_path_in_a_lock_is_never_asked_of_the_index(site: Site, packages: Path) -> None:
    wheel(packages, "alpha")
    wheel(packages, "tools")  # somebody else's, of the same name
    more = (
        '[[package]]\nname = "tools"\nversion = "3.0"\ngroups = ["main"]\nfiles = []\n'
        '[package.source]\ntype = "directory"\nurl = "libs/tools"\n'
    )
    head = "[tool.poetry]\npackage-mode = false\n"
    files = package("shop", "alpha", head=head) | below("libs/tools", package("tools"))
    built = build(site, files | {"poetry.lock": poetry_lock(packages, more)})
    assert run(site, built, "tools-serve") == "serves one\n"
    assert not any("shop" in line for line in site.log)


def test_the_code_of_a_project_runs_as_the_apps_user_without_the_panels_files(
    site: Site, packages: Path
) -> None:
    wheel(packages, "alpha")
    files = package("shop", "alpha")
    files["backend.py"] += (
        f"import sys\nif os.path.exists({str(site.instance.home)!r}) or os.getuid() == 0:\n"
        "    sys.exit('it sees too much')\nopen('left', 'w').close()\n"
    )
    built = build(site, files)
    assert not (Path(built.artifact.path) / "left").exists()  # the tree itself is not written to


def test_a_project_that_cannot_be_built_is_told_in_uvs_words(site: Site, packages: Path) -> None:
    wheel(packages, "alpha")
    files = package("shop", "alpha") | {"poetry.lock": poetry_lock(packages)}
    files["backend.py"] = "raise SystemExit('the backend is broken')\n"
    with pytest.raises(BuildFailed) as failure:
        build(site, files)
    assert "project itself" in failure.value.what
    assert "the backend is broken" in failure.value.why
    assert "package-mode = false" in failure.value.fix
    assert site.left_over() == []
