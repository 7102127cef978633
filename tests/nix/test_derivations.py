"""Reading `.drv` files: as Nix writes them, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.nix.derivations import Derivation, NotADerivation, parse
from paas.nix.store import Store

_PLAIN = (
    b'Derive([("out","/nix/store/x-a","","")],[("/nix/store/y.drv",["out","dev"])],'
    b'["/nix/store/z-src"],"x86_64-linux","/nix/store/b-bash/bin/bash",["-c","echo"],'
    b'[("name","a"),("text","a \\"quote\\", a \\\\ and\\na line")])'
)


def test_every_part_is_read() -> None:
    read = parse(_PLAIN)
    assert [output.name for output in read.outputs] == ["out"]
    assert read.input_derivations == {"/nix/store/y.drv": ("out", "dev")}
    assert read.input_sources == ("/nix/store/z-src",)
    assert (read.system, read.builder) == ("x86_64-linux", "/nix/store/b-bash/bin/bash")
    assert read.arguments == ("-c", "echo")
    assert read.environment["text"] == 'a "quote", a \\ and\na line'
    assert not read.outputs[0].fixed


def test_it_reads_what_nix_writes(store: Store) -> None:
    expression = """
        derivation {
          name = "odd"; system = "x86_64-linux"; builder = "/bin/sh";
          args = [ "a\\"b" "c\\\\d" "e\\nf" "g\\tü" "\\${x}" ];
          outputHashMode = "flat"; outputHashAlgo = "sha256";
          outputHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        }"""
    path = store.run("nix-instantiate", "--expr", expression).strip()
    read = parse(store.physical(path).read_bytes())
    assert read.arguments == ('a"b', "c\\d", "e\nf", "g\tü", "${x}")
    (output,) = read.outputs
    assert output.fixed and output.algorithm == "sha256"
    shown = json.loads(store.run("nix", "show-derivation", path))[path]
    assert shown["env"] == dict(read.environment)
    assert shown["args"] == list(read.arguments)


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"Derive(",
        b'Derive([],[],[],"","",[],[]',
        _PLAIN + b" ",
        _PLAIN[:-1],
        _PLAIN.replace(b"Derive(", b'DrvWithVersion("xp-dyn-drv",'),
        _PLAIN.replace(b'"x86_64-linux"', b'["x86_64-linux"]'),
        _PLAIN.replace(b'("name","a")', b'("name","a","b")'),
        _PLAIN.replace(b'["-c","echo"]', b'["-c" "echo"]'),
        _PLAIN.replace(b'"","")]', b'"")]'),
        b"Derive(" + b"[" * 100_000,
    ],
)
def test_anything_else_is_refused(contents: bytes) -> None:
    with pytest.raises(NotADerivation):
        parse(contents)


@given(st.binary(max_size=200))
def test_no_contents_raise_anything_else(contents: bytes) -> None:
    for text in (contents, b"Derive(" + contents, _PLAIN[:60] + contents + _PLAIN[60:]):
        try:
            parse(text)
        except NotADerivation:
            continue


def _with(**environment: str) -> Derivation:
    return Derivation((), {}, (), "", "", (), environment)


def test_attributes_are_those_that_nix_looks_at() -> None:
    assert _with(__noChroot="1").flag("__noChroot")
    assert not _with(__noChroot="").flag("__noChroot")
    structured = _with(__json='{"__noChroot": true, "requiredSystemFeatures": ["kvm"]}')
    assert structured.flag("__noChroot")
    assert structured.words("requiredSystemFeatures") == ("kvm",)
    assert _with(requiredSystemFeatures="kvm big-parallel").words("requiredSystemFeatures") == (
        "kvm",
        "big-parallel",
    )
    with pytest.raises(NotADerivation):
        _with(__json="[").attributes()
