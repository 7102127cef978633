"""What the installer may know of the machine: where packages come from, and no secret more."""

from __future__ import annotations

import functools
import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from apps.builds.builders.base import BuildFailed
from paas.sandbox import OUR_FOLDER, Bind

TOOLS = f"{OUR_FOLDER}/bin"
_FILES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CLIENT_CERT",
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_CAFILE",
)
_FOLDERS = ("SSL_CERT_DIR", "UV_FIND_LINKS")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_NAMES = (
    *_FILES,
    *_FOLDERS,
    *_PROXIES,
    *(name.lower() for name in _PROXIES),
    "GONOSUMDB",
    "GOPRIVATE",
    "GOPROXY",
    "GOSUMDB",
    "NPM_CONFIG_REGISTRY",
    "UV_DEFAULT_INDEX",
    "UV_EXCLUDE_NEWER",
    "UV_EXTRA_INDEX_URL",
    "UV_HTTP_TIMEOUT",
    "UV_INDEX",
    "UV_INDEX_STRATEGY",
    "UV_INDEX_URL",
    "UV_INSECURE_HOST",
    "UV_NATIVE_TLS",
    "UV_OFFLINE",
    "UV_SYSTEM_CERTS",
)
_PIP = {"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL": "UV_INDEX"}


def network_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """How this machine reaches package indexes: certificates, proxies, index addresses.

    An index address may hold a password; builds of packages that are not
    wheels can read it. Nothing else of the panel's environment is passed on.
    """
    known = os.environ if environ is None else environ
    found = {uv: known[pip] for pip, uv in _PIP.items() if known.get(pip)}
    found |= {name: known[name] for name in _NAMES if known.get(name)}
    if "SSL_CERT_FILE" in found:  # the name that Node.js has for it
        found.setdefault("NODE_EXTRA_CA_CERTS", found["SSL_CERT_FILE"])
    return found


def network_binds(variables: Mapping[str, str]) -> tuple[Bind, ...]:
    """The files those variables name, unless every sandbox has them."""
    paths = (Path(variables[name]) for name in (*_FILES, *_FOLDERS) if name in variables)
    return tuple(
        Bind(path, str(path))
        for path in dict.fromkeys(paths)
        if path.is_absolute() and path.exists() and path.parts[1] not in ("usr", "etc")
    )


@functools.lru_cache(maxsize=8)
def tool(name: str) -> Bind:
    """One of the panel's own programs (uv, caddy), shown in `TOOLS`.

    Raises:
        BuildFailed: it is not installed.
    """
    beside = Path(sysconfig.get_path("scripts")) / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise BuildFailed(
            f"{name} is not installed on this server",
            "It belongs to the panel and is needed for this app.",
            "Ask the administrator to run `make up` again, which installs it.",
        )
    return Bind(Path(os.path.realpath(found)), f"{TOOLS}/{name}")
