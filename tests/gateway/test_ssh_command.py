"""Which SSH commands are git's, and that nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.gateway.protocol import RefusedError
from paas.gateway.ssh.command import Command, parse


@pytest.mark.parametrize(
    "text",
    [
        "git-receive-pack 'hello.git'",
        "git-receive-pack '/hello.git'",
        "git-receive-pack hello.git",
        "git-receive-pack /hello",
        "git receive-pack 'hello.git'",
        'git-receive-pack "hello"',
    ],
)
def test_every_spelling_of_git_is_understood(text: str) -> None:
    assert parse(text) == Command("git-receive-pack", "hello")
    fetch = text.replace("receive", "upload")
    assert parse(fetch) == Command("git-upload-pack", "hello")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "git",
        "git-receive-pack",
        "git receive-pack",
        "git-receive-pack ''",
        "git-receive-pack 'hello.git",
        "git-receive-pack hello.git; id",
        "git-receive-pack hello.git;id",
        "git-receive-pack hello.git\nid",
        "git-receive-pack hello.git && id",
        "git-receive-pack hello.git | sh",
        "git-receive-pack $(id)",
        "git-receive-pack `id`",
        "git-receive-pack hello.git /tmp",
        "git-receive-pack --help",
        "git-receive-pack --stateless-rpc hello.git",
        "git-receive-pack -- hello.git",
        "git-upload-pack --upload-pack=id hello.git",
        "git-upload-pack --strict",
        "git upload-archive hello.git",
        "git-upload-archive hello.git",
        "git -c core.hooksPath=/tmp receive-pack hello.git",
        "git --exec-path=/tmp receive-pack hello.git",
        "/usr/bin/git-receive-pack hello.git",
        "GIT_DIR=/tmp git-receive-pack hello.git",
        "git-receive-pack ../hello.git",
        "git-receive-pack '//hello.git'",
        "git-receive-pack /../../etc/passwd",
        "git-receive-pack hello.git/",
        "git-receive-pack hello.git.git",
        "git-receive-pack '~/hello.git'",
        "git-receive-pack 'Hello.git'",
        "git-receive-pack 'hel lo.git'",
        "git-receive-pack 'hello\0.git'",
        "git-receive-pack 'hello.git\n'",
        "git-receive-pack hello\\;id",
        "scp -t /tmp",
        "sh",
        "ls",
    ],
)
def test_nothing_else_is_run(text: str) -> None:
    with pytest.raises(RefusedError) as refused:
        parse(text)
    assert refused.value.text.isascii()


@given(st.text())
def test_no_text_crashes_it(text: str) -> None:
    for line in (text, f"git-receive-pack {text}", f"git-receive-pack '{text}'"):
        try:
            command = parse(line)
        except RefusedError:
            continue
        assert command.app in line and command.app.replace("-", "").isalnum()
