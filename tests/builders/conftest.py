"""A real builder over an instance of its own, with an index of packages on disk."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import tempfile
import threading
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.builds.builders.host import BuildJob, Built, HostBuilder
from apps.source.archives import unpack
from buildpacks.plan import Phase, Pin, Plan, PythonDependencies
from paas.instance import Instance, current
from paas.sandbox import panel_python, remove_tree, uid_for

APP_NUMBER = 7


class Site:
    """An instance, its builder, and the log of its last build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.instance: Instance = current({"PAAS_HOME": str(folder / "home")})
        self.instance.home.mkdir(mode=0o700)
        self.builder = HostBuilder(self.instance)
        self.log: list[str] = []
        self.cancel = threading.Event()
        self._builds = 0

    def job(self, files: dict[str, str], app_number: int = APP_NUMBER) -> BuildJob:
        """A build whose unpacked tree holds `files`."""
        self._builds += 1
        source = self.folder / f"source{self._builds}"
        for name, text in files.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        source.mkdir(exist_ok=True)
        archive = self.folder / f"{self._builds}.tar"
        subprocess.run(["tar", "-C", str(source), "-cf", str(archive), "."], check=True)
        tree = self.instance.build_dirs / str(self._builds) / "app"
        tree.mkdir(parents=True)
        unpack(archive, tree, uid=uid_for(app_number, self.instance.home))
        return BuildJob(uuid.uuid4().hex, "app", app_number, tree, "c" * 40)

    def build(self, plan: Plan, files: dict[str, str], app_number: int = APP_NUMBER) -> Built:
        self.log = []
        return self.builder.execute(plan, self.job(files, app_number), self.log.append, self.cancel)

    def left_over(self) -> list[Path]:
        """Work files of builds that are still there."""
        caches = (self.instance.cache / "dependencies").glob(".*.new-*")
        return [*self.instance.build_dirs.glob("*/app"), *caches]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="builder-"))
    yield Site(folder)
    remove_tree(folder)


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages that stands for the index."""
    folder = Path(tempfile.mkdtemp(prefix="packages-"))
    folder.chmod(0o755)
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    yield folder
    remove_tree(folder)


def plan(
    *commands: str,
    python: PythonDependencies | None = None,
    network: bool = False,
    variables: dict[str, str] | None = None,
    pin: Pin | None = None,
) -> Plan:
    """A plan whose build phase runs `commands`."""
    return Plan(
        providers=("python",),
        name="Python",
        phases=(Phase("build", commands=commands, network=network, hint=""),),
        processes={"web": "true"},
        variables=variables or {},
        python=python,
        pins=(pin or Pin("python", f"=={_minor()}.*", "test"),),
    )


def _minor() -> str:
    return panel_python().name.removeprefix("python")


def wheel(folder: Path, name: str, version: str = "1.0", text: str = "VALUE = 1\n") -> Path:
    """A wheel with one module and one script, put into `folder`."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": text + "\ndef main():\n    print('script of', __name__)\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-run = {name}:main\n",
    }
    record = "".join(
        f"{path},{_proof(body)},{len(body.encode())}\n" for path, body in files.items()
    )
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, body in (files | {f"{info}/RECORD": record + f"{info}/RECORD,,\n"}).items():
            archive.writestr(member, body)
    path.chmod(0o644)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _proof(body: str) -> str:
    digest = hashlib.sha256(body.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
