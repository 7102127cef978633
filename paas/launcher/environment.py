"""What the parts inherit from the shell that ran `make up`: little, and by name."""

from __future__ import annotations

import os
from collections.abc import Mapping

from paas.instance import Instance
from paas.launcher.tools import search_path

_NAMES = frozenset(
    {
        *("HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LOCALE_ARCHIVE"),
        *("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "NIX_SSL_CERT_FILE", "NIX_PATH", "NIX_SSHOPTS"),
        *("NODE_EXTRA_CA_CERTS", "GOPROXY", "GOPRIVATE", "GONOSUMDB", "GOSUMDB"),
        *("DATABASE_URL", "KUBECONFIG"),
        *("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"),  # how a pod finds its cluster
    }
)
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"})
# PAAS_ is ours; the others say where this machine's toolchains get packages from.
_PREFIXES = ("PAAS_", "LC_", "UV_", "PIP_", "NPM_CONFIG_", "PYENV_")
_AWS = "AWS_"
_SECRETS = frozenset({"DATABASE_URL", "PAAS_REDIS_URL"})


def parts_environment(
    instance: Instance, environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of the panel's parts: an allow-list, and where this instance is.

    Keys of AWS are in it only where the binary cache is a bucket.
    """
    env = os.environ if environ is None else environ
    bucket = env.get("PAAS_NIX_CACHE", "").startswith("s3://")
    kept = {
        name: value
        for name, value in env.items()
        if _allowed(name) or (bucket and name.startswith(_AWS))
    }
    return {
        **kept,
        "PATH": search_path(env),
        "PAAS_HOME": str(instance.home),
        "PAAS_RUN": str(instance.run),
        "PAAS_PORT": str(instance.port),
        "PAAS_SSH_PORT": str(instance.ssh_port),
        "PAAS_RENDEZVOUS_PORT": str(instance.rendezvous_port),
        "PAAS_BIND": instance.bind,
        "PAAS_DOMAIN": instance.domain,
        "DJANGO_SETTINGS_MODULE": "paas.settings",
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "2",  # glibc keeps an arena per thread: tens of MB for nothing
    }


def apps_environment(instance: Instance) -> dict[str, str]:
    """The same without what an app's processes have no business with, even by accident."""
    env = parts_environment(instance)
    return {name: value for name, value in env.items() if not _secret(name)}


def _allowed(name: str) -> bool:
    upper = name.upper()
    return name in _NAMES or upper in _PROXIES or upper.startswith(_PREFIXES)


def _secret(name: str) -> bool:
    return name in _SECRETS or name.startswith(_AWS)
