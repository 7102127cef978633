"""A repository that describes itself in Nix, evaluated as a push would have it."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from apps.builds.builders.base import BuildFailed, BuildJob
from apps.builds.builders.nix import evaluation, handover, native
from apps.builds.builders.nix.evaluation import Evaluated, Request
from apps.builds.builders.nix.packages import PackageSet
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from buildpacks.plan import Plan
from paas.instance import Instance
from paas.nix.derivations import parse
from paas.nix.roots import Roots
from paas.nix.store import Store
from paas.sandbox import remove_tree

EXPRESSIONS = Path(__file__).resolve().parents[2] / "nix"
REVISION = "0123456789abcdef0123456789abcdef01234567"
_FILES = {"default": "default.nix", "devenv": "devenv.nix", "flake": "flake.nix"}
_PROVIDERS = {"default": "nix", "devenv": "devenv", "flake": "flake"}


class Repository:
    """Trees in `folder`, and what became of them; `log` is the last one's."""

    def __init__(self, instance: Instance, store: Store, folder: Path) -> None:
        self.instance, self.store, self.folder = instance, store, folder
        self.packages = PackageSet(instance, store, "debian", EXPRESSIONS)
        self.log: list[str] = []
        self.nixpkgs: Path | None = None
        instance.home.mkdir(mode=0o700, parents=True, exist_ok=True)

    def use_nixpkgs(self, folder: Path) -> None:
        """Evaluate with the package set of nixpkgs, which lies in `folder`."""
        self.packages = PackageSet(self.instance, self.store, "nixpkgs", EXPRESSIONS)
        self.nixpkgs = folder

    def job(self, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> BuildJob:
        identity = uuid.uuid4().hex
        tree = self.folder / identity / "app"
        tree.mkdir(parents=True)
        for name, text in files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name, target in (links or {}).items():
            (tree / name).symlink_to(target)
        return BuildJob(identity, "app", 7, tree, REVISION)

    def evaluate(self, kind: str, text: str, **more: Any) -> Evaluated:
        """The result of evaluating `text` in the file of that kind; `files` lie beside it."""
        files = {_FILES[kind]: text, **more.pop("files", {})}
        self.log = []
        guard = Guard(threading.Event(), self.instance.home)
        request = Request(kind, EXPRESSIONS, self.packages.name, REVISION, nixpkgs=self.nixpkgs)
        job = self.job(files, **more)
        return evaluation.evaluate(self.instance, job, request, BuildLog(self.log.append), guard)

    def said(self, kind: str, text: str, **more: Any) -> dict[str, Any]:
        """What the panel would read once it is built."""
        found = self.evaluate(kind, text, **more)
        handover.take(self.store, found)
        remove_tree(found.cache.parent)
        contents = self.store.physical(found.derivation).read_bytes()
        data: dict[str, Any] = json.loads(parse(contents).environment["native"])
        return data

    def refused(self, kind: str, text: str, **more: Any) -> BuildFailed:
        """The error that evaluating it gets; nothing of it is left."""
        with pytest.raises(BuildFailed) as caught:
            self.evaluate(kind, text, **more)
        self.check(caught.value)
        return caught.value

    def described(self, kind: str, text: str, **more: Any) -> native.Native:
        """What becomes of it once it is built, too."""
        files = {_FILES[kind]: text, **more.pop("files", {})}
        self.log = []
        plan = Plan(providers=(_PROVIDERS[kind],), name="Nix")
        guard = Guard(threading.Event(), self.instance.home)
        log = BuildLog(self.log.append)
        return native.describe(self.packages, plan, self.job(files, **more), log, guard)

    def unbuilt(self, kind: str, text: str, **more: Any) -> BuildFailed:
        """The error that it gets before or in its build; nothing keeps what is left of it."""
        with pytest.raises(BuildFailed) as caught:
            self.described(kind, text, **more)
        self.check(caught.value)
        assert not Roots.of(self.instance).all()
        self.store.collect(keep_outputs=False)
        assert self.paths() <= {".links"}, "the store gives it up"
        return caught.value

    def paths(self) -> set[str]:
        """What the store holds."""
        folder = self.store.physical("/nix/store")
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

    def check(self, error: BuildFailed) -> None:
        assert error.what and error.why and error.fix
        assert not list(self.folder.glob("*/evaluation")), "its work folder is gone"
        assert not list(self.folder.glob("*/native"))
