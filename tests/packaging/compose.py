"""compose.yaml as Compose reads it: interpolated, its services as what a machine would start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

PROJECT = Path(__file__).parents[2]
FILE = PROJECT / "compose.yaml"
PANEL = ("web", "worker", "beat", "gateway", "observer", "caddy")
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:?-)([^}]*))?\}")


def read(variables: Mapping[str, str]) -> dict[str, Any]:
    """The file with `${NAME-default}` and `${NAME:-default}` replaced, as Compose does."""
    read: dict[str, Any] = _interpolated(yaml.safe_load(FILE.read_text()), variables)
    return read


def _interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _interpolated(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [_interpolated(one, variables) for one in value]
    if not isinstance(value, str):
        return value

    def replacement(found: re.Match[str]) -> str:
        name, how, default = found.groups()
        given = variables.get(name)
        if given is None or (how == ":-" and not given):
            return default or ""
        return given

    return _VARIABLE.sub(replacement, value)


@dataclass(frozen=True)
class Machine:
    """Folders of this machine in place of the containers' volumes.

    Args:
        places: a path in the containers → the one here.
    """

    compose: Mapping[str, Any]
    places: Mapping[str, str]

    def command(self, service: str) -> list[str]:
        return [self.here(word) for word in self.compose["services"][service]["command"]]

    def environment(self, service: str) -> dict[str, str]:
        """What the file says, and what the image says beneath it."""
        given = self.compose["services"][service].get("environment", {})
        image = _image_environment() if service in ("init", *PANEL) else {}
        return {name: self.here(str(value)) for name, value in {**image, **given}.items()}

    def here(self, text: str) -> str:
        """`text` with this machine's paths, in addresses, too."""
        places = self.places | {
            quote(inside, safe=""): quote(here, safe="") for inside, here in self.places.items()
        }
        longest_first = sorted(places, key=len, reverse=True)
        pattern = "|".join(re.escape(inside) for inside in longest_first)
        return re.sub(pattern, lambda found: places[found[0]], text)


def _image_environment() -> dict[str, str]:
    """ENV of the Dockerfile, without PATH."""
    (block,) = re.findall(
        r"^ENV ((?:.*\\\n)*.*)$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE
    )
    pairs = (word.partition("=") for word in block.replace("\\\n", " ").split())
    return {name: value for name, _, value in pairs if name != "PATH"}
