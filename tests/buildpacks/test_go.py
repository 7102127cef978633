"""Go: the version, the modules, what is built and what is started."""

from __future__ import annotations

import pytest

from buildpacks import detect, plan
from tests.buildpacks.conftest import MakeTree, Refusal, phase_of

Files = dict[str, str | bytes]
MAIN = "// a comment\npackage main\n\nfunc main() {}\n"
MODULE = "module example.org/shop\n\ngo 1.21\n"
REQUIRES = MODULE + "\nrequire example.org/left v1.0.0\n"


def build(make_tree: MakeTree, files: Files) -> list[str]:
    made = plan(make_tree(files))
    commands = phase_of(made, "build").commands
    return [command.rpartition(" -o ")[2] for command in commands]


@pytest.mark.parametrize(
    ("files", "built", "web"),
    [
        ({"go.mod": MODULE, "main.go": MAIN}, ["bin/shop ."], "bin/shop"),
        ({"main.go": MAIN}, ["bin/app main.go"], "bin/app"),
        (
            {"go.mod": "module example.org/shop/v2\n", "x.go": MAIN},
            ["bin/shop ."],
            "bin/shop",
        ),
        (
            {"go.mod": MODULE, "lib.go": "package shop", "cmd/a/a.go": MAIN, "cmd/web/m.go": MAIN},
            ["bin/a ./cmd/a", "bin/web ./cmd/web"],
            "bin/web",
        ),
        (
            {"go.mod": MODULE, "main.go": MAIN, "cmd/server/m.go": MAIN},
            ["bin/shop .", "bin/server ./cmd/server"],
            "bin/shop",
        ),
        (
            {
                "go.work": "go 1.21\n\nuse (\n\t./api\n)\n",
                "api/main.go": MAIN,
                "api/go.mod": MODULE,
            },
            ["bin/api ./api"],
            "bin/api",
        ),
    ],
)
def test_what_is_built(make_tree: MakeTree, files: Files, built: list[str], web: str) -> None:
    assert build(make_tree, files) == built
    assert plan(make_tree(files)).processes == {"web": web}


def test_one_command_can_be_named(make_tree: MakeTree) -> None:
    files: Files = {
        "go.mod": MODULE,
        "cmd/a/a.go": MAIN,
        "cmd/b/b.go": MAIN,
        "nixpacks.toml": '[variables]\nNIXPACKS_GO_BIN = "b"\n',
    }
    assert build(make_tree, files) == ["bin/b ./cmd/b"]


def test_a_procfile_starts_what_it_says(make_tree: MakeTree) -> None:
    made = plan(make_tree({"go.mod": MODULE, "main.go": MAIN, "Procfile": "web: bin/shop -v\n"}))
    assert made.processes == {"web": "bin/shop -v"}


def test_the_module_says_which_version(make_tree: MakeTree) -> None:
    assert plan(make_tree({"go.mod": MODULE, "main.go": MAIN})).pins[0].spec == ">=1.21"


def test_modules_are_fetched_by_their_sums(make_tree: MakeTree) -> None:
    made = plan(make_tree({"go.mod": REQUIRES, "go.sum": "x", "main.go": MAIN}))
    fetch = phase_of(made, "fetch")
    assert fetch.commands == ("go mod download",)
    assert set(fetch.files) == {"go.sum", "go.mod"}
    assert fetch.network
    assert fetch.inert
    assert not phase_of(made, "build").network


@pytest.mark.parametrize(
    "files",
    [
        {"go.mod": REQUIRES, "go.sum": "x", "main.go": MAIN, "vendor/modules.txt": ""},
        {"go.mod": MODULE, "main.go": MAIN},
    ],
)
def test_what_needs_no_modules_fetches_none(make_tree: MakeTree, files: Files) -> None:
    assert all(phase.name != "fetch" for phase in plan(make_tree(files)).phases)


def test_local_modules_are_part_of_what_decides(make_tree: MakeTree) -> None:
    module = REQUIRES + "replace example.org/left => ./left\nreplace x => ./../outside\n"
    files: Files = {"go.mod": module, "go.sum": "", "main.go": MAIN, "left/go.mod": "module left"}
    assert phase_of(plan(make_tree(files)), "fetch").files == ("go.sum", "go.mod", "left/go.mod")


@pytest.mark.parametrize(
    ("files", "what", "fix"),
    [
        ({"go.mod": REQUIRES, "main.go": MAIN}, "no go.sum", "go mod tidy"),
        ({"go.mod": MODULE, "lib.go": "package lib"}, "no program", "cmd/"),
        (
            {"go.mod": MODULE, "nixpacks.toml": '[variables]\nNIXPACKS_GO_VERSION = "new"\n'},
            '"new"',
            "nixpacks.toml",
        ),
    ],
)
def test_what_is_refused(refusal: Refusal, files: Files, what: str, fix: str) -> None:
    error = refusal(files)
    assert what in error.what
    assert fix in error.fix


def test_names_stay_names(make_tree: MakeTree) -> None:
    """Folders in cmd/ are anybody's, and the commands are run by a shell."""
    files: Files = {"go.mod": "module x/$(touch y)\n", "cmd/$(touch x)/m.go": MAIN}
    assert build(make_tree, files) == ["'bin/$(touch x)' './cmd/$(touch x)'"]
    assert plan(make_tree(files)).processes["web"] == "'bin/$(touch x)'"


def test_go_goes_first(make_tree: MakeTree) -> None:
    files: Files = {"go.mod": MODULE, "main.go": MAIN, "package.json": "{}", "app.py": ""}
    assert detect(make_tree(files)) == ("go",)
