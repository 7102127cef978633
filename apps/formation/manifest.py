"""app.json's `env`: what a deploy adds to the config, by Heroku's and Dokku's rules."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from apps.accounts.errors import Refused
from buildpacks.plan import EnvVar, Manifest


def complete_variables(held: Mapping[str, str], manifest: Manifest) -> dict[str, str]:
    """Config vars with app.json's defaults for those that are not set.

    What is set is not overwritten, unless app.json says `sync` and gives a
    value (Dokku's rule); a secret is generated once, as it is set from then on.

    Raises:
        Refused: a required variable has neither a value nor a default.
    """
    complete = dict(held)
    missing = []
    for variable in manifest.env:
        if variable.name in complete and not _is_synced(variable):
            continue
        if variable.generator == "secret":
            complete[variable.name] = secrets.token_hex(32)
        elif variable.value is not None:
            complete[variable.name] = variable.value
        elif variable.required:
            missing.append(variable.name)
    if missing:
        names = ", ".join(missing)
        raise Refused(
            f"app.json requires {names}, which is not set.\n"
            f"Set it first: paas config:set {' '.join(name + '=...' for name in missing)}"
        )
    return complete


def _is_synced(variable: EnvVar) -> bool:
    return variable.sync and variable.value is not None
