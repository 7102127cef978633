"""The table of support in docs/buildpacks.md: one row for each sample app that answered.

`PAAS_WRITE_SUPPORT=1 .venv/bin/pytest tests/e2e/test_samples.py` writes it anew.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field

from buildpacks import SourceTree, plan
from tests.e2e.world import CHECKOUT, SAMPLES

DOCUMENT = CHECKOUT / "docs" / "buildpacks.md"
BEGIN = "<!-- written by tests/e2e/support.py -->"
END = "<!-- end -->"
_HEAD = """\
| sample | languages | what it shows | web is started by | answered with |
|---|---|---|---|---|"""
_USED = re.compile(r"Using (Python|Node\.js|Go|Ruby|PHP) (\d[\w.]*)")


@dataclass(frozen=True)
class Sample:
    """An app in tests/apps; `needs` are programs of which one each must be on the machine."""

    name: str
    shows: str
    needs: tuple[str, ...] = field(default=())

    @property
    def missing(self) -> list[str]:
        """The programs that are not here."""
        path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/usr/local/sbin"
        return [
            name
            for name in self.needs
            if not any(shutil.which(one, path=path) for one in name.split("|"))
        ]


_PHP_FPM = "|".join(["php-fpm", *(f"php-fpm8.{minor}" for minor in range(8))])
SAMPLE_APPS = (
    Sample("django", "requirements.txt, collectstatic, migrations"),
    Sample("fastapi", "requirements.txt, no Procfile"),
    Sample("flask", "requirements.txt, worker and release phase"),
    Sample("flask_uv", "uv.lock"),
    Sample("express", "package-lock.json (npm)", ("node", "npm")),
    Sample("pnpm", "pnpm-lock.yaml, pnpm fetched by `packageManager`", ("node", "npm")),
    Sample("workspace", "npm workspace, a member built for another", ("node", "npm")),
    Sample("vite", "a single-page app, built and served as files", ("node", "npm")),
    Sample("django_vite", "two languages: Vite's assets in Django", ("node", "npm")),
    Sample("go", "go.mod, the standard library", ("go",)),
    Sample("ruby", "Gemfile.lock without gems", ("ruby", "bundle")),
    Sample("php", "composer.json, php-fpm behind Caddy", ("php", "composer", _PHP_FPM)),
    Sample("static", "a folder of files"),
    Sample("procfile", "no language known here, a command"),
)


def versions(said: str) -> str:
    """The languages that a push said it used."""
    return ", ".join(dict.fromkeys(" ".join(used) for used in _USED.findall(said))) or "-"


def planned(sample: Sample) -> list[str]:
    """The cells of a sample's row that a plan tells."""
    made = plan(SourceTree(SAMPLES / sample.name))
    return [f"`{sample.name}`", made.name, sample.shows, made.processes_from]


def rows(document: str) -> list[list[str]]:
    """The cells of the table in `document`."""
    inside = document.partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in inside]


def write(proven: Mapping[str, str]) -> None:
    """Write the table of the samples that answered, with the versions that `proven` gives."""
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    lines = [
        "| " + " | ".join([*planned(sample), proven[sample.name]]) + " |"
        for sample in SAMPLE_APPS
        if sample.name in proven
    ]
    table = "\n".join([BEGIN, _HEAD, *lines, END])
    DOCUMENT.write_text(before + table + rest.partition(END)[2])
