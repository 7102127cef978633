"""The archive of a pushed commit: exactly the committed bytes, nothing of the server's."""

from __future__ import annotations

import tarfile

import pytest

from tests.gateway.panel import App, FakePanel
from tests.gateway.world import Person, refs, remote_lines

ATTRIBUTES = """\
secret.txt export-ignore
version.txt export-subst
*.crlf text eol=crlf
id.txt ident
wide.txt working-tree-encoding=UTF-16
filtered.txt filter=lfs
"""


def archived(app: App) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(app.builds[-1].archive) as archive:
        return {member.name: member for member in archive}


def content(app: App, name: str) -> bytes:
    with tarfile.open(app.builds[-1].archive) as archive:
        file = archive.extractfile(name)
        assert file
        return file.read()


def test_attributes_neither_drop_nor_rewrite_files(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    files: dict[str, str | bytes] = {
        "secret.txt": b"kept\n",
        "version.txt": b"$Format:%H$\n",
        "lines.crlf": b"a\nb\n",
        "id.txt": b"$Id$\n",
        "wide.txt": b"plain\n",
        "filtered.txt": b"as it is\n",
    }
    alice.remote(app).commit("Files", **files)
    # Past the work tree, where git would apply them already.
    for name, text in ((".gitattributes", ATTRIBUTES), ("sub/.gitattributes", "* export-ignore\n")):
        blob = alice.make_object("blob", text.encode())
        alice.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    alice.git("commit", "-q", "-m", "Attributes")
    assert alice.push().returncode == 0
    assert {name: content(app, name) for name in files} == files
    assert "sub/.gitattributes" in archived(app)


def test_a_submodule_is_named_since_its_files_are_missing(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    commit = alice.remote(app).commit()
    alice.git("update-index", "--add", "--cacheinfo", f"160000,{commit},vendor/lib\x1b[2J")
    alice.git("commit", "-q", "-m", "Add a submodule")
    push = alice.push()
    assert push.returncode == 0
    assert remote_lines(push)[0].startswith(
        " !     Submodules are not deployed: vendor/lib?[2J. Their folders are empty."
    )


def test_links_are_archived_as_links(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    alice.remote(app)
    (alice.folder / "outside").symlink_to("/etc/passwd")
    (alice.folder / "up").symlink_to("../../..")
    alice.commit()
    assert alice.push().returncode == 0
    links = {name: m.linkname for name, m in archived(app).items() if m.issym()}
    assert links == {"outside": "/etc/passwd", "up": "../../.."}


def test_odd_file_names_and_modes_arrive(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    names = ['a"b', "new\nline", "%s", "$(touch x)", "--help", "ü", "sp ace"]
    alice.remote(app).commit(**dict.fromkeys(names, "x"))
    alice.git("update-index", "--chmod=+x", "--", "%s")
    alice.git("commit", "-q", "-m", "Mode")
    assert alice.push().returncode == 0
    members = archived(app)
    assert set(members) >= set(names)
    assert (members["%s"].mode, members["ü"].mode) == (0o755, 0o644)


def test_a_tree_with_a_git_folder_is_refused(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    alice.remote(app).commit(**{"hook": "#!/bin/sh\n"})
    blob = alice.git("rev-parse", "HEAD:hook").stdout.strip()
    inner = alice.make_object("tree", b"100755 hook\0" + bytes.fromhex(blob))
    evil = alice.make_object("tree", b"40000 .git\0" + bytes.fromhex(inner))
    commit = alice.git("commit-tree", evil, "-m", "Evil").stdout.strip()
    push = alice.push(f"{commit}:refs/heads/main")
    assert push.returncode == 1
    assert "hasDotgit" in push.stderr
    assert (refs(app), app.builds) == ({}, [])


@pytest.mark.parametrize("door", ["http"], indirect=True)  # 2 GiB; once is enough
def test_a_tree_without_end_is_refused_and_leaves_nothing(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    alice.remote(app)
    tree = alice.make_object("blob", b"x" * 1_000_000)
    mode = b"100644"
    for _ in range(5):  # 16^5 files of 1 MB
        entries = (b"%s %x\0" % (mode, i) + bytes.fromhex(tree) for i in range(16))
        tree, mode = alice.make_object("tree", b"".join(entries)), b"40000"
    commit = alice.git("commit-tree", tree, "-m", "Bomb").stdout.strip()
    push = alice.push(f"{commit}:refs/heads/main")
    assert push.returncode == 1
    assert "larger than 2 GiB" in push.stderr
    assert app.builds[0].abandoned
    assert not list(app.builds[0].archive.parent.glob(f"{app.builds[0].id}*"))


def test_the_message_is_the_first_line_without_control_characters(
    alice: Person, panel: FakePanel
) -> None:
    app = panel.create()
    alice.remote(app).commit("Title \x1b[31mred " + "y" * 500 + "\n\nBody")
    assert alice.push().returncode == 0
    message = app.builds[0].message
    assert message.startswith("Title ?[31mred yyy")
    assert len(message) == 200


def test_an_empty_tree_is_deployed(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    tree = alice.remote(app).make_object("tree", b"")
    commit = alice.git("commit-tree", tree, "-m", "Nothing").stdout.strip()
    assert alice.push(f"{commit}:refs/heads/main").returncode == 0
    assert app.builds[0].started
