"""Content made to make a parser slow: it ends within the test's generous timeout.

Each is 256 KiB; a quadratic expression over it takes many minutes.
"""

from __future__ import annotations

import contextlib

import pytest

from buildpacks import PlanError, plan
from tests.buildpacks.conftest import MakeTree

SIZE = 250 * 1024
MANAGE = 'setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")'
CASES = {
    "spaces in requirements": ("requirements.txt", " " * SIZE + "x"),
    "a long editable": ("requirements.txt", "-e " + "a" * SIZE),
    "a long name": ("requirements.txt", "a" + "." * SIZE),
    "a long include": ("requirements.txt", "-r " + "a" * SIZE),
    "a deep TOML key": ("pyproject.toml", "a." * (SIZE // 2) + "a = 1"),
    "a deep TOML table": ("nixpacks.toml", "[" + "a." * (SIZE // 2) + "a]"),
    "a deep TOML key behind a quoted one": ("Pipfile", '"\\"=".' + "a." * (SIZE // 2) + "a=1"),
    "nested TOML": ("pyproject.toml", "a = " + "[" * SIZE),
    "nested JSON": ("app.json", "[" * SIZE),
    "a large JSON number": ("app.json", "1" * SIZE),
    "a long specifier": (
        "pyproject.toml",
        '[project]\nrequires-python = ">=1' + ".1" * (SIZE // 3) + '"\n',
    ),
    "empty settings lines": ("shop/settings.py", "\n" * SIZE),
    "a long setting": ("shop/settings.py", "('" + "SECRET_KEY" * (SIZE // 10)),
    "a long word": ("app.py", "a" * SIZE),
    "empty source lines": ("app.py", "app\n" + "\n" * SIZE),
    "equals signs": ("app.py", "a=" * (SIZE // 2)),
    "a long Procfile": ("Procfile", "a" * 60_000),
    "a long version": (".python-version", "3." + "1" * SIZE),
    "a lock of names": ("uv.lock", 'name = "' * (SIZE // 8)),
    "a long Staticfile": ("Staticfile", "a" * SIZE),
    "nested package.json": ("package.json", '{"a":' * (SIZE // 5)),
    "a long range": ("package.json", '{"engines": {"node": "' + ">=1 " * (SIZE // 4) + '"}}'),
    "a long .nvmrc": (".nvmrc", "1." * (SIZE // 2)),
    "a lock of spaces": ("pnpm-lock.yaml", "\nimporters:\n" + "  '" * (SIZE // 3)),
    "a lock of importers": ("pnpm-lock.yaml", "\nimporters:\n" + "  a:\n" * (SIZE // 5)),
    "a lock of patches": ("pnpm-lock.yaml", "    path: '" * (SIZE // 11)),
    "a lock of workspaces": ("yarn.lock", "\n__metadata:\n" + '  resolution: "' * (SIZE // 15)),
    "a lock of workspace signs": ("yarn.lock", "\n__metadata:\n" + "@workspace:" * (SIZE // 11)),
    "a long yarnPath": (".yarnrc.yml", "yarnPath: " + ".yarn/" * (SIZE // 6)),
    "a site of out": ("vite.config.js", "outDir: " * (SIZE // 8)),
    "a site of spaces": ("vite.config.js", "outDir" + " " * SIZE),
    "a site of quotes": ("vite.config.js", "outDir:'" * (SIZE // 8)),
    "a build of options": (
        "package.json",
        '{"scripts": {"build": "vite build ' + "--outDir=" * (SIZE // 9) + '"}}',
    ),
    "a long go.mod": ("go.mod", "module " + "a/" * (SIZE // 2)),
    "spaces in go.mod": ("go.mod", "go" + " " * SIZE),
    "arrows in go.mod": ("go.mod", "=> ./" * (SIZE // 5)),
    "a long go.work": ("go.work", "use " + " " * SIZE),
    "a long Gemfile": ("Gemfile", "ruby" + "(" * SIZE),
    "a Gemfile of spaces": ("Gemfile", " " * SIZE + "ruby"),
    "a lock of gems": ("Gemfile.lock", "    a" * (SIZE // 5)),
    "a long platform": ("composer.json", '{"require": {"ext-' + "a-" * (SIZE // 2) + '": "*"}}'),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", CASES)
def test_it_ends(make_tree: MakeTree, case: str) -> None:
    name, text = CASES[case]
    files: dict[str, str | bytes] = {name: text}
    if name in {"app.py", "shop/settings.py"}:
        files |= {"requirements.txt": "django\nflask\nfastapi\n", "manage.py": MANAGE}
    if name in {".nvmrc", "pnpm-lock.yaml", "yarn.lock", ".yarnrc.yml", "vite.config.js"}:
        files["package.json"] = '{"scripts": {"build": "x"}}'
    if name == ".yarnrc.yml":
        files["yarn.lock"] = "\n__metadata:\n"
    if name == "Gemfile":
        files["Gemfile.lock"] = ""
    if name == "Gemfile.lock":
        files["Gemfile"] = ""
    if name == "uv.lock":
        files["pyproject.toml"] = '[project]\nname = "x"\ndependencies = ["flask"]\n'
    with contextlib.suppress(PlanError):
        plan(make_tree(files))
