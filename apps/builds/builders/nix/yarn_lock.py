"""yarn.lock of Yarn 1: its packages in an offline mirror, which is made of links to store paths."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from apps.builds.builders.nix import tarballs
from apps.builds.builders.nix.entries import Contents, Pinned
from apps.builds.builders.nix.fetch import Fetcher
from apps.builds.builders.nix.tarballs import Tarball
from buildpacks.plan import Phase

_SETTINGS = (".yarnrc", ".yarnrc.yml")
_MIRROR = ".paas/yarn"
_HEAD = "# yarn lockfile v1"
_FIELD = re.compile(r'^  (version|resolved|integrity) "?([^"\n]{1,2000})"?$', re.MULTILINE)
# the usual address: <registry>/<name>/-/<file>
_USUAL = re.compile(
    r"/(?P<name>(?:@[\w.-]{1,100}(?:/|%2f))?[\w.-]{1,200})/-/(?P<file>[\w.+-]+\.tgz)$"
)


def pin(fetcher: Fetcher, phase: Phase, contents: Contents) -> Pinned | None:
    """As `pinned.pin`; Yarn's settings in the tree make it do other things."""
    text = contents[phase.files[0]].decode(errors="replace")
    if _HEAD not in text[:200] or any(name in contents for name in _SETTINGS):
        return None
    blocks = [block for block in text.split("\n\n") if _is_entry(block)]
    try:
        wanted = dict(_tarball(block) for block in blocks)
    except (ValueError, KeyError):
        return None
    tarballs.provide(fetcher, phase, contents, wanted.values())
    return Pinned(
        {**contents, ".yarnrc": f'yarn-offline-mirror "./{_MIRROR}"\n'.encode()},
        tuple(f"{command} --offline" for command in phase.commands),
        links={f"{_MIRROR}/{name}": one.entry.path for name, one in wanted.items()},
        pruned=contents,
    )


def _is_entry(block: str) -> bool:
    return any(line and not line.startswith(("#", " ")) for line in block.splitlines())


def _tarball(block: str) -> tuple[str, Tarball]:
    """The file's name in Yarn's mirror, and the package.

    Raises:
        ValueError, KeyError: it comes from elsewhere than a registry, or its hash is not there.
    """
    fields = dict(_FIELD.findall(block))
    usual = _USUAL.search(urlsplit(fields["resolved"]).path)
    if usual is None:
        raise ValueError(f"{fields['resolved']} is no registry's")
    name = usual["name"].replace("%2f", "/")
    scope = f"{name.partition('/')[0]}-" if name.startswith("@") else ""
    digest = tarballs.digest_of(fields["integrity"])
    # without its address, so that npm asks the registry that is set up here
    return f"{scope}{usual['file']}", Tarball(name, fields["version"], digest)
