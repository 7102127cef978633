"""What is wrong with a repository is said in the push, with the next step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.nix.builder.conftest import SAMPLES, Site

PYTHON = {"Procfile": "web: python -m http.server $PORT\n"}


def express() -> dict[str, str]:
    return {path.name: path.read_text() for path in (SAMPLES / "express").iterdir()}


def test_a_version_that_the_set_has_not(site: Site) -> None:
    failure = site.fails({**PYTHON, "requirements.txt": "", ".python-version": "3.12.4\n"})
    assert failure.what == "Python 3.12.4 is not in the package set `debian`"
    assert "The set has 3.11" in failure.why and "3.11" in failure.fix and "nearest" in failure.fix
    node = express()
    node["package.json"] = node["package.json"].replace(">=18", "18.x")
    failure = site.fails(node)
    assert "Node.js 18.x is not in the package set" in failure.what
    assert "Change engines.node of package.json to 20." in failure.fix


def test_apt_packages(site: Site) -> None:
    failure = site.fails(
        {
            **PYTHON,
            "requirements.txt": "",
            "nixpacks.toml": '[phases.setup]\naptPkgs = ["libpq-dev"]\n',
        }
    )
    assert failure.what == "aptPkgs are not to be had: libpq-dev"
    assert "libpq." in failure.fix


def test_a_nix_package_that_the_set_has_not(site: Site) -> None:
    failure = site.fails(
        {"Procfile": "web: true\n", "nixpacks.toml": '[phases.setup]\nnixPkgs = ["gimp"]\n'}
    )
    assert failure.what == "gimp is not in the package set `debian`"
    assert "jq" in failure.why


def test_nix_packages_and_libraries_are_there(site: Site) -> None:
    built = site.build(
        {
            "Procfile": "web: true\n",
            "nixpacks.toml": (
                '[phases.setup]\nnixPkgs = ["jq"]\nnixLibs = ["zlib"]\n'
                '[phases.build]\ncmds = ["jq -n 1+1 > two"]\n'
            ),
        }
    )
    assert site.run(built, "cat two; jq -n 2+2; echo $LD_LIBRARY_PATH").startswith("2\n4\n/nix/")
    assert any("zlib1g" in path for path in site.closure(built))


def test_a_lock_that_does_not_fit_its_manifest(site: Site) -> None:
    files = express()
    manifest = json.loads(files["package.json"])
    manifest["dependencies"]["left-pad"] = "^1.3.0"
    failure = site.fails({**files, "package.json": json.dumps(manifest)})
    assert "package-lock.json" in failure.what + failure.why + failure.fix
    assert "npm install" in failure.fix


def test_a_package_with_another_hash(site: Site) -> None:
    files = express()
    lock = json.loads(files["package-lock.json"])
    lock["packages"]["node_modules/express"]["integrity"] = "sha512-" + "A" * 86 + "=="
    failure = site.fails({**files, "package-lock.json": json.dumps(lock)})
    assert "hash is wrong" in failure.fix
    assert "EINTEGRITY" in site.said
    wrong = f"flask==3.1.0 --hash=sha256:{'0' * 64}\n"
    failure = site.fails({**PYTHON, "requirements.txt": wrong})
    assert "HASHES" in site.said and "requirements.txt" in failure.fix


def test_a_package_that_does_not_exist(site: Site) -> None:
    failure = site.fails({**PYTHON, "requirements.txt": "flask==99.99\n"})
    assert failure.what == "The phase fetch failed"
    assert "flask==99.99" in site.said and "requirements.txt" in failure.fix


def test_a_source_that_is_what_was_locked_no_more(site: Site, tmp_path: Path) -> None:
    """The lock of the package set names another hash than apt gives."""
    nix = tmp_path / "nix"
    shutil.copytree(site.settings.expressions, nix)
    lock = nix / "packages/debian/debs.lock.json"
    debs = json.loads(lock.read_text())
    debs["jq"]["sha256"] = "0" * 64
    lock.write_text(json.dumps(debs))
    changed = Site(site.instance, site.store, site.folder, type(site.settings)("debian", nix))
    failure = changed.fails(
        {"Procfile": "web: true\n", "nixpacks.toml": '[phases.setup]\nnixPkgs = ["jq"]\n'}
    )
    assert "jq" in failure.what and "not what was locked" in failure.what
    assert "relock" in failure.fix


def test_a_phase_of_ones_own_that_fetches(site: Site) -> None:
    files = {**PYTHON, "requirements.txt": "", "nixpacks.toml": ""}
    files["nixpacks.toml"] = '[phases.install]\ncmds = ["pip install flask"]\n'
    failure = site.fails(files)
    assert failure.what == "The phase install wants the network, which builds by Nix have not"
    assert "nixPkgs" in failure.fix
