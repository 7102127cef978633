from __future__ import annotations

import pytest

from buildpacks import plan
from buildpacks.procfile import read_procfile
from tests.buildpacks.conftest import MakeTree, Refusal


def test_all_types_are_kept_in_their_order(make_tree: MakeTree) -> None:
    text = "web: gunicorn app:app\n\n# a comment\nworker:   python w.py --x 'a b'\nrelease: ./r\n"
    made = plan(make_tree({"Procfile": text}))
    assert list(made.processes.items()) == [
        ("web", "gunicorn app:app"),
        ("worker", "python w.py --x 'a b'"),
        ("release", "./r"),
    ]
    assert made.processes_from == "Procfile"
    assert made.providers == ("procfile",)


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(make_tree: MakeTree) -> None:
    tree = make_tree({"Procfile": b"\xef\xbb\xbfweb: a\r\nworker: b\r\n"})
    assert read_procfile(tree) == {"web": "a", "worker": "b"}


@pytest.mark.parametrize(
    "command",
    [
        "echo `id` $(id) ${HOME} && x || y; z | w > /tmp/f < g & wait",
        "python -c 'print(\"a:b\")'",
        "env FOO=1 ./run\tit",
        "a \\",
        "*?[x]{1,2}~!#$%^",
        "café ☕",
    ],
)
def test_commands_are_kept_as_they_are(make_tree: MakeTree, command: str) -> None:
    assert read_procfile(make_tree({"Procfile": f"web: {command}\n"})) == {"web": command}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("web gunicorn\n", "line 1 has no colon"),
        ("web: a\n\nnonsense\n", "line 3 has no colon"),
        ("web: a\nweb: b\n", 'line 2 names "web" twice'),
        ("web:\n", "line 1 has no command"),
        ("we b: a\n", 'line 1: "we b" cannot'),
        ("../x: a\n", "cannot be the name"),
        ("$(id): a\n", "cannot be the name"),
        ("wéb: a\n", "cannot be the name"),
        (": a\n", "cannot be the name"),
        ("run: a\n", "cannot be the name"),
        (f"{'x' * 129}: a\n", "cannot be the name"),
        ("web: a\x1b[2Jb\n", "line 1 has no command"),
    ],
)
def test_broken_lines_are_named(refusal: Refusal, text: str, what: str) -> None:
    error = refusal({"Procfile": text})
    assert error.file == "Procfile"
    assert what in error.what
    assert error.what.isprintable()


def test_the_longest_name_is_allowed(make_tree: MakeTree) -> None:
    assert read_procfile(make_tree({"Procfile": f"{'x' * 128}: a\n"})) == {"x" * 128: "a"}


def test_a_huge_procfile_is_refused(refusal: Refusal) -> None:
    assert refusal({"Procfile": "#" * 70_000}).what == "too large"


def test_a_misspelled_procfile_is_pointed_out(make_tree: MakeTree) -> None:
    made = plan(make_tree({"requirements.txt": "", "procfile": "web: x\n"}))
    assert any("git mv procfile Procfile" in warning for warning in made.warnings)


def test_a_procfile_without_web_is_warned_about(make_tree: MakeTree) -> None:
    made = plan(make_tree({"Procfile": "worker: x\n"}))
    assert any("no web process" in warning for warning in made.warnings)


def test_another_language_is_warned_about(make_tree: MakeTree) -> None:
    made = plan(make_tree({"Procfile": "web: node x.js\n", "package.json": "{}"}))
    assert any("Node.js" in warning for warning in made.warnings)


def test_nothing_recognisable_says_what_is_supported(refusal: Refusal) -> None:
    error = refusal({"README.md": "hello", "mix.exs": ""})
    assert "README.md" in error.why
    assert "Elixir" in error.why
    assert "requirements.txt" in error.why
    assert "Procfile" in error.fix


def test_an_empty_tree_says_what_is_supported(refusal: Refusal) -> None:
    assert "nothing" in refusal({}).why


def test_an_empty_procfile_is_no_procfile(refusal: Refusal) -> None:
    assert "No way to build" in refusal({"Procfile": "\n# nothing\n"}).what
