"""The one helper that reads hostile trees."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from buildpacks import PlanError, plan
from tests.buildpacks.conftest import MakeTree


def test_it_reads_text_without_bom_and_with_one_kind_of_line_end(make_tree: MakeTree) -> None:
    tree = make_tree({"a.txt": b"\xef\xbb\xbfone\r\ntwo\rthree\n"})
    assert tree.read("a.txt") == "one\ntwo\nthree\n"


def test_what_is_not_there_is_none(make_tree: MakeTree) -> None:
    tree = make_tree({"a.txt": "x"})
    assert tree.read("b.txt") is None
    assert tree.read("a.txt/b") is None
    assert not tree.is_file("b/c")


def test_links_inside_the_tree_are_followed(make_tree: MakeTree) -> None:
    tree = make_tree({"requirements/prod.txt": "flask\n"})
    (tree.root / "requirements.txt").symlink_to("requirements/prod.txt")
    assert tree.read("requirements.txt") == "flask\n"


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "inner/../../secret"])
def test_links_out_of_the_tree_are_refused(make_tree: MakeTree, target: str) -> None:
    tree = make_tree({"inner/x": ""})
    (tree.root.parent / "secret").write_text("canary")
    (tree.root / "requirements.txt").symlink_to(target)
    with pytest.raises(PlanError, match=r"requirements.txt: leads out of the repository"):
        plan(tree)


def test_a_folder_that_links_out_is_refused(make_tree: MakeTree) -> None:
    tree = make_tree({"Staticfile": "root: web\n"})
    (tree.root / "public").symlink_to("/etc")
    with pytest.raises(PlanError, match="leads out"):
        tree.is_file("public/passwd")


def test_a_dangling_link_is_refused(make_tree: MakeTree) -> None:
    tree = make_tree({})
    (tree.root / "Procfile").symlink_to("nowhere")
    with pytest.raises(PlanError, match="Procfile: a link to a file that is not there"):
        plan(tree)


def test_a_link_to_itself_is_refused(make_tree: MakeTree) -> None:
    tree = make_tree({})
    (tree.root / "Procfile").symlink_to("Procfile")
    with pytest.raises(PlanError, match="Procfile"):
        plan(tree)


def test_a_pipe_is_never_opened(make_tree: MakeTree) -> None:
    tree = make_tree({})
    os.mkfifo(tree.root / "Procfile")
    with pytest.raises(PlanError, match="Procfile: neither a file nor a folder"):
        plan(tree)


def test_a_socket_is_never_opened(make_tree: MakeTree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = make_tree({})
    monkeypatch.chdir(tree.root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("app.json")
        with pytest.raises(PlanError, match=r"app.json: neither"):
            plan(tree)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a device node")
def test_a_device_is_never_opened(make_tree: MakeTree) -> None:
    tree = make_tree({})
    try:
        os.mknod(tree.root / "Procfile", 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("device nodes are not allowed here")
    with pytest.raises(PlanError, match="Procfile: neither"):
        plan(tree)


def test_a_folder_is_not_a_file(make_tree: MakeTree) -> None:
    tree = make_tree({"Procfile/web": "x"})
    assert tree.read("Procfile") is None


def test_large_files_are_refused(make_tree: MakeTree) -> None:
    tree = make_tree({"requirements.txt": "#" * (1024 * 1024 + 1)})
    with pytest.raises(PlanError, match=r"requirements.txt: too large"):
        plan(tree)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"web: caf\xe9\n", "no UTF-8"),
        ("web: x\n".encode("utf-16"), "UTF-16"),
        ("web: x\n".encode("utf-16-le"), "UTF-16"),
        (b"web: x\0y\n", "not a text file"),
    ],
)
def test_other_encodings_are_refused(make_tree: MakeTree, content: bytes, reason: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan(make_tree({"Procfile": content}))
    assert caught.value.file == "Procfile"
    assert reason in caught.value.why


@pytest.mark.parametrize(
    "name", ["a\nb", "$(touch x)", "%s", "'; rm -rf /", "\x1b[31m", "é", "x" * 255]
)
def test_odd_names_are_listed_harmlessly(make_tree: MakeTree, name: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan(make_tree({name: ""}))
    assert caught.value.why.isprintable()


def test_names_that_are_no_unicode_are_survived(make_tree: MakeTree) -> None:
    tree = make_tree({"Procfile": "web: x\n"})
    Path(os.fsdecode(os.fsencode(tree.root) + b"/\xff\xfe")).touch()
    assert plan(tree).processes == {"web": "x"}
