"""requirements.txt: included files, names, paths of the tree."""

from __future__ import annotations

import pytest

from buildpacks.python.requirements import read_requirements, requirement_names
from tests.buildpacks.conftest import MakeTree, Refusal


def test_included_files_are_read_and_listed(make_tree: MakeTree) -> None:
    tree = make_tree(
        {
            "requirements.txt": "-r requirements/prod.txt\n--constraint=limits.txt\n",
            "requirements/prod.txt": "-rbase.txt\nDjango>=5 # the framework\n",
            "requirements/base.txt": "psycopg[binary]==3.2 \\\n  --hash=sha256:00\n",
            "limits.txt": "-r requirements.txt\n",
        }
    )
    found = read_requirements(tree, "requirements.txt")
    assert found.files[0] == "requirements.txt"
    assert set(found.files) == {
        "requirements.txt",
        "requirements/prod.txt",
        "requirements/base.txt",
        "limits.txt",
    }
    assert found.names == {"django", "psycopg"}
    assert not found.local


@pytest.mark.parametrize(
    "line", ["-e .", "--editable=./lib", ".", "./lib", "file:lib", "vendor/x-1.0-py3-none-any.whl"]
)
def test_paths_of_the_tree_are_noticed(make_tree: MakeTree, line: str) -> None:
    assert read_requirements(make_tree({"requirements.txt": line}), "requirements.txt").local


@pytest.mark.parametrize(
    "line",
    [
        "-e git+https://git.example/x.git#egg=x",
        "x @ https://files.example/x.whl",
        "flask",
        "--index-url https://index.example/simple",
        "-r https://files.example/requirements.txt",
    ],
)
def test_addresses_are_not_paths(make_tree: MakeTree, line: str) -> None:
    assert not read_requirements(make_tree({"requirements.txt": line}), "requirements.txt").local


@pytest.mark.parametrize(
    ("requirement", "names"),
    [
        ("Flask_Login>=1", {"flask-login"}),
        ("fastapi[standard]>=0.1", {"fastapi", "uvicorn"}),
        ("uvicorn [standard]", {"uvicorn"}),
        ("!", set()),
    ],
)
def test_names(requirement: str, names: set[str]) -> None:
    assert requirement_names(requirement) == names


def test_a_missing_file_is_named_with_the_one_that_wants_it(refusal: Refusal) -> None:
    error = refusal({"requirements.txt": "-r prod.txt\n", "prod.txt": "-c gone.txt\n"})
    assert error.file == "prod.txt"
    assert "gone.txt" in error.what


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd"])
def test_files_outside_are_refused(refusal: Refusal, path: str) -> None:
    assert "repository" in refusal({"requirements.txt": f"-r {path}\n"}).what


def test_endless_inclusion_is_refused(refusal: Refusal) -> None:
    files: dict[str, str | bytes] = {"requirements.txt": "-r r0.txt\n"}
    files |= {f"r{i}.txt": f"-r r{i + 1}.txt\n" for i in range(60)}
    assert "more than 50" in refusal(files).what
