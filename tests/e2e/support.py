"""The table of support in docs/buildpacks.md: one row for each sample app that answered.

`PAAS_WRITE_SUPPORT=1 .venv/bin/pytest tests/e2e/test_samples.py` writes it anew, and
`tests/e2e/test_nix.py` the one of the Nix builder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from unittest import mock

from apps.builds.builders import toolset
from apps.builds.builders.base import BuildFailed
from apps.builds.builders.output import BuildLog
from buildpacks import SourceTree, plan
from tests.e2e.world import CHECKOUT, SAMPLES

DOCUMENT = CHECKOUT / "docs" / "buildpacks.md"
BEGIN = "<!-- written by tests/e2e/support.py -->"
NIX_BEGIN = "<!-- written by tests/e2e/test_nix.py -->"
END = "<!-- end -->"
_HEAD = """\
| sample | languages | what it shows | web is started by | answered with |
|---|---|---|---|---|"""
_USED = re.compile(r"Using (Python|Node\.js|Go|Ruby|PHP|Rust) (\d[\w.]*)")


@dataclass(frozen=True)
class Sample:
    """An app in tests/apps and what it shows."""

    name: str
    shows: str

    @property
    def missing(self) -> str:
        """Why this machine cannot build it; "" if it can. The panel has another home folder."""
        made = plan(SourceTree(SAMPLES / self.name))
        try:
            with mock.patch.dict(os.environ, HOME="/nonexistent"):
                toolset.find(made, BuildLog(lambda _line: None))
        except BuildFailed as failure:
            return failure.what
        return ""


SAMPLE_APPS = (
    Sample("django", "requirements.txt, collectstatic, migrations"),
    Sample("fastapi", "requirements.txt, no Procfile"),
    Sample("flask", "requirements.txt, worker and release phase"),
    Sample("flask_uv", "uv.lock"),
    Sample("express", "package-lock.json (npm)"),
    Sample("pnpm", "pnpm-lock.yaml, pnpm fetched by `packageManager`"),
    Sample("workspace", "npm workspace, a member built for another"),
    Sample("vite", "a single-page app, built and served as files"),
    Sample("django_vite", "two languages: Vite's assets in Django"),
    Sample("go", "go.mod, the standard library"),
    Sample("ruby", "Gemfile.lock without gems"),
    Sample("php", "composer.json, php-fpm behind Caddy"),
    Sample("rust", "Cargo.lock, the standard library"),
    Sample("static", "a folder of files"),
    Sample("procfile", "no language known here, a command"),
)

IN_NIX = ("devenv", "nix_default", "nix_flake")
"""Those that describe themselves in Nix; tests/e2e/test_nix_native.py pushes them."""


def versions(said: str) -> str:
    """The languages that a push said it used."""
    return ", ".join(dict.fromkeys(" ".join(used) for used in _USED.findall(said))) or "-"


def planned(sample: Sample) -> list[str]:
    """The cells of a sample's row that a plan tells."""
    made = plan(SourceTree(SAMPLES / sample.name))
    return [f"`{sample.name}`", made.name, sample.shows, made.processes_from]


def rows(document: str, begin: str = BEGIN) -> list[list[str]]:
    """The cells of the table in `document` that begins at the mark `begin`."""
    inside = document.partition(begin)[2].partition(END)[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in inside]


def write(proven: Mapping[str, str], begin: str = BEGIN) -> None:
    """Write the table of the samples that answered, with the versions that `proven` gives."""
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(begin)
    lines = [
        "| " + " | ".join([*planned(sample), proven[sample.name]]) + " |"
        for sample in SAMPLE_APPS
        if sample.name in proven
    ]
    table = "\n".join([begin, _HEAD, *lines, END])
    DOCUMENT.write_text(before + table + rest.partition(END)[2])
