"""What of a tenant's derivations is not built: whatever would get out of Nix' sandbox.

Nix keeps a build from the machine and the network, but the derivation itself
can ask for exceptions, and one of them is ordinary: who promises a hash gets
the network, with the machine's own services in it. So every derivation that
would be built is looked at before any is, and one file by HTTPS and hash is
left to `downloads`. What is built already, or comes from
a cache, runs nothing and is not looked at.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from apps.builds.builders.base import BuildFailed
from apps.builds.builders.nix.downloads import Download, read
from apps.builds.builders.nix.evaluation import system
from apps.builds.builders.nix.sources import unbuilt
from paas.nix.derivations import Derivation, NotADerivation, parse
from paas.nix.store import STORE, Store

_FEATURES = frozenset({"benchmark", "big-parallel"})  # they ask for speed, not for rights
_BUILTIN = frozenset({"builtin:buildenv"})
_EXCEPTIONS = {
    "__noChroot": "to be built outside of the sandbox",
    "__impure": "the network for its build",
    "__contentAddressed": "a feature of Nix that is not switched on (content-addressed outputs)",
}
_FIX = "Build it without that: with files of the repository and packages of the set alone."


@dataclass(frozen=True)
class Inspected:
    """The derivations that would be built, and those of them whose file is to be fetched before."""

    unbuilt: tuple[str, ...]
    downloads: tuple[Download, ...]


def inspect(store: Store, derivation: str, trusted: Collection[str]) -> Inspected:
    """See that building `derivation` does nothing but build.

    Args:
        trusted: derivations of the package set's own downloads, which `sources` provides.

    Raises:
        BuildFailed: one of those that would be built asks for more.
    """
    waiting = unbuilt(store, [derivation])
    found = []
    for path in waiting:
        if path in trusted:
            continue
        name = path.rpartition("/")[2][33:].removesuffix(".drv")
        try:
            found.append(_check(name, parse(store.physical(path).read_bytes())))
        except NotADerivation as error:
            raise _refused(name, f"is not in the form that Nix writes ({error})") from None
    return Inspected(tuple(waiting), tuple(one for one in found if one is not None))


def _check(name: str, one: Derivation) -> Download | None:
    """What is to be fetched for it, if it is a download."""
    for exception, meaning in _EXCEPTIONS.items():
        if one.flag(exception):
            raise _refused(name, f"asks for {meaning} (`{exception}`)")
    if any(output.fixed for output in one.outputs):
        found = read(one)
        if found is None:
            raise _download(name, one)
        return found
    if not all(output.path for output in one.outputs):
        raise _refused(name, "has an output whose path is known only when it is built")
    if one.system not in (system(), "builtin"):
        raise _refused(name, f"is for {one.system or 'no system'}, and this is {system()}")
    if not (one.builder.startswith(f"{STORE}/") or one.builder in _BUILTIN):
        raise _refused(
            name,
            f"is built by {one.builder[:100]}, which is not in the sandbox",
            "Use a program of a package, such as ${pkgs.bash}/bin/bash.",
        )
    if paths := one.words("__impureHostDeps"):
        raise _refused(name, f"asks for {paths[0][:100]} of the machine (`__impureHostDeps`)")
    if wanted := set(one.words("requiredSystemFeatures")) - _FEATURES:
        raise _refused(name, f"requires {', '.join(sorted(wanted))[:100]} of the machine")
    return None


def _download(name: str, one: Derivation) -> BuildFailed:
    url = one.environment.get("url") or one.environment.get("urls", "").split(" ")[0]
    return _refused(
        name,
        f"is a download{f' from {url[:200]}' if url else ''} and would have the machine's network",
        "One file is fetched for a build, by https:// and its SHA-256 or SHA-512 (fetchurl). "
        "Else commit it, or use a package of the set.",
    )


def _refused(name: str, why: str, fix: str = _FIX) -> BuildFailed:
    return BuildFailed(
        "The repository's Nix wants more than a build may",
        f"The derivation {name} {why}.",
        fix,
    )
