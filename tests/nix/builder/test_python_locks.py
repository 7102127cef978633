"""Python's lock files: every wheel a path by its hash, checked, from an index on disk."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.builders.conftest import packages, sha256, wheel
from tests.nix.builder.conftest import Site

__all__ = ["packages"]
PROCFILE = {"Procfile": "web: left-run\n", ".python-version": "3.11\n"}
PYPROJECT = '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.11"\n'


def pyproject(more: str) -> str:
    return f'{PYPROJECT}dependencies = ["left"]\n{more}'


def locks(digest: str) -> dict[str, dict[str, str]]:
    """The same dependency in each manager's words."""
    file = f'{{file = "left-1.0-py3-none-any.whl", hash = "sha256:{digest}"}}'
    return {
        "requirements": {"requirements.txt": "left==1.0\n"},
        "hashed": {"requirements.txt": f"left==1.0 --hash=sha256:{digest}\n"},
        "pyproject": {"pyproject.toml": pyproject("")},
        "poetry": {
            "pyproject.toml": pyproject("[tool.poetry]\npackage-mode = false\n"),
            "poetry.lock": (
                '[[package]]\nname = "left"\nversion = "1.0"\noptional = false\n'
                f'groups = ["main"]\nfiles = [{file}]\n\n'
                '[metadata]\nlock-version = "2.1"\npython-versions = ">=3.11"\n'
            ),
        },
        "pdm": {
            "pyproject.toml": pyproject("[tool.pdm]\ndistribution = false\n"),
            "pdm.lock": (
                '[metadata]\ngroups = ["default"]\nlock_version = "4.5.0"\n\n'
                '[[package]]\nname = "left"\nversion = "1.0"\ngroups = ["default"]\n'
                f"files = [{file}]\n"
            ),
        },
        "pipenv": {
            "Pipfile": '[packages]\nleft = "*"\n',
            "Pipfile.lock": (
                '{"_meta": {"hash": {"sha256": "x"}, "pipfile-spec": 6, "requires": {}}, '
                f'"default": {{"left": {{"hashes": ["sha256:{digest}"], "version": "==1.0"}}}}, '
                '"develop": {}}'
            ),
        },
    }


@pytest.mark.parametrize(
    "manager", ["requirements", "hashed", "pyproject", "poetry", "pdm", "pipenv"]
)
def test_what_a_lock_names_is_installed(site: Site, packages: Path, manager: str) -> None:
    file = wheel(packages, "left", text=f"VALUE = '{packages.name}'\n")
    files = {**PROCFILE, **locks(sha256(file))[manager]}
    built = site.build(files)
    assert site.run(built, "left-run") == "script of left\n"
    added = site.store.add_fixed("sha256", [file])  # where it is already
    derivation = site.store.deriver(site.dependencies(built)[0])
    assert derivation is not None
    assert added[0] in site.store.requisites([derivation])


@pytest.mark.parametrize("manager", ["hashed", "poetry", "pdm", "pipenv"])
def test_another_hash_is_refused(site: Site, packages: Path, manager: str) -> None:
    wheel(packages, "left", text=f"VALUE = '{packages.name}'\n")
    failure = site.fails({**PROCFILE, **locks("0" * 64)[manager]})
    assert failure.what == "The phase fetch failed"
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in site.said


def test_what_comes_as_source_is_made_a_wheel(site: Site, packages: Path) -> None:
    """By a build backend of its own, in the fetch step; offline from then on."""
    name = "left-1.0"
    backend = (
        "import os, zipfile\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        "    info = 'left-1.0.dist-info'\n"
        "    about = 'Metadata-Version: 2.1\\nName: left\\nVersion: 1.0\\n'\n"
        "    kind = 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'\n"
        "    name = 'left-1.0-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(os.path.join(folder, name), 'w') as made:\n"
        "        made.writestr('left.py', 'VALUE = 7\\n')\n"
        "        made.writestr(f'{info}/METADATA', about)\n"
        "        made.writestr(f'{info}/WHEEL', kind)\n"
        "        made.writestr(f'{info}/RECORD', '')\n"
        "    return name\n"
    )
    with zipfile.ZipFile(packages / f"{name}.zip", "w") as made:
        made.writestr(f"{name}/backend.py", backend)
        made.writestr(
            f"{name}/pyproject.toml",
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            '[project]\nname = "left"\nversion = "1.0"\n',
        )
    (packages / f"{name}.zip").chmod(0o644)
    built = site.build({**PROCFILE, "requirements.txt": "left\n"})
    assert "Something must be built from source" in site.said
    assert site.run(built, "python -c 'import left; print(left.VALUE)'") == "7\n"


def test_the_project_itself_is_installed(site: Site, packages: Path) -> None:
    """A package in src/ with a script, its build backend in the tree."""
    wheel(packages, "left")
    backend = (
        "import os, zipfile\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        "    info = 'mine-1.dist-info'\n"
        "    about = 'Metadata-Version: 2.1\\nName: mine\\nVersion: 1\\nRequires-Dist: left\\n'\n"
        "    kind = 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'\n"
        "    entry = '[console_scripts]\\nmine = mine:main\\n'\n"
        "    with zipfile.ZipFile(os.path.join(folder, 'mine-1-py3-none-any.whl'), 'w') as made:\n"
        "        made.write('src/mine.py', 'mine.py')\n"
        "        made.writestr(f'{info}/METADATA', about)\n"
        "        made.writestr(f'{info}/WHEEL', kind)\n"
        "        made.writestr(f'{info}/entry_points.txt', entry)\n"
        "        made.writestr(f'{info}/RECORD', '')\n"
        "    return 'mine-1-py3-none-any.whl'\n"
    )
    files = {
        **PROCFILE,
        "requirements.txt": "./\n",
        "backend.py": backend,
        "pyproject.toml": (
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        ),
        "src/mine.py": "import left\n\ndef main():\n    print('mine with', left.VALUE)\n",
    }
    built = site.build(files)
    assert site.run(built, "mine") == "mine with 1\n"
    again = site.build({**files, "README": "changed"})
    projects = [
        [path for path in site.closure(one) if path.endswith("-project")] for one in (built, again)
    ]
    assert projects[0] == projects[1] != []
    assert site.dependencies(built) == site.dependencies(again)
