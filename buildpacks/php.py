"""The PHP provider: Composer's packages, php-fpm behind Caddy.

PHP's own server is made for development, so what serves is what serves PHP
elsewhere: php-fpm runs the scripts, a web server in front of it the files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from buildpacks import caddy
from buildpacks.document import Table, read_json
from buildpacks.errors import PlanError, shown
from buildpacks.plan import Phase, Pin, Plan
from buildpacks.ranges import parse_range
from buildpacks.tree import MAX_LOCK, SourceTree

COMPOSER, LOCK = "composer.json", "composer.lock"
ROOT = "NIXPACKS_PHP_ROOT_DIR"
START = "bash .paas/serve-php"
_FLAGS = "--no-dev --no-interaction --no-progress"
_FETCH = f"composer install {_FLAGS} --prefer-dist --no-scripts --no-plugins --no-autoloader"
# Composer names the autoloader's classes at random unless its own settings have a name for them.
_NAME = "COMPOSER_HOME=/tmp composer config --global --no-interaction autoloader-suffix {}"
_INSTALL = "COMPOSER_HOME=/tmp composer dump-autoload --no-dev --optimize --no-interaction"
_SCRIPTS = "composer run-script --no-dev --no-interaction post-install-cmd"
_PLATFORM = re.compile(r"(?:php|hhvm|composer|ext-|lib-)[\w.-]*|php(?:-\w+)?")
_VARIABLES = {"COMPOSER_ALLOW_SUPERUSER": "0", "LANG": "C.UTF-8", **caddy.VARIABLES}
_HINT = (
    "Its output above says why. If the lock file does not fit composer.json: run "
    "`composer update --lock`, commit composer.lock and push again. A missing PHP extension is "
    "the administrator's to install on the server."
)


def is_php(tree: SourceTree) -> bool:
    """Whether the tree looks like a PHP app."""
    return tree.is_file(COMPOSER) or tree.is_file("index.php")


def plan_php(tree: SourceTree, variables: Mapping[str, str], *, default_web: bool) -> Plan:
    """The plan of a PHP app.

    Raises:
        PlanError: composer.json is broken, or its lock is not there.
    """
    composer = read_json(tree, COMPOSER) or Table({}, COMPOSER)
    requires = composer.mapping("require")
    pin, warnings = _pin(requires)
    plan = Plan(
        providers=("php",),
        name="PHP",
        pins=(pin,),
        phases=(Phase("setup"), *_packages(tree, composer, requires)),
        variables=_VARIABLES,
        notes=(f"Packages come from {LOCK} (Composer)",) if tree.is_file(LOCK) else (),
        warnings=warnings,
    )
    if not default_web:
        return plan
    root = _root(tree, composer, variables)
    return replace(
        plan,
        phases=(*plan.phases, caddy.serving_php(root)),
        processes={"web": START},
        processes_from="PHP",
        notes=(*plan.notes, f"Serving {'the top folder' if root == '.' else shown(root)}"),
    )


def _pin(requires: Mapping[str, str]) -> tuple[Pin, tuple[str, ...]]:
    asked = requires.get("php") or requires.get("php-64bit")
    if not asked:
        warning = (
            "No PHP version was specified, so the newest one here is used and may change. "
            f'Add to {COMPOSER}, for example: "require": {{"php": "^8.2"}}.'
        )
        return Pin("php", "", "default"), (warning,)
    text = re.sub(r"~(?!>)", "~>", asked.split("@")[0])  # Composer's tilde is Ruby's
    try:
        parse_range(text)
    except ValueError:
        raise PlanError(
            f'require.php "{shown(asked)}" is not a range of versions',
            why="It must be written by Composer's rules.",
            fix='Write it as "^8.2", for example.',
            file=COMPOSER,
        ) from None
    return Pin("php", text, f"require.php of {COMPOSER}"), ()


def _packages(tree: SourceTree, composer: Table, requires: Mapping[str, str]) -> Iterator[Phase]:
    """fetch (packages, no code of theirs runs) → install (autoloader and scripts, in the tree)."""
    wanted = [name for name in requires if not _PLATFORM.fullmatch(name)]
    if not tree.is_file(LOCK):
        if wanted and not tree.is_file("vendor/autoload.php"):
            raise PlanError(
                "There is no composer.lock",
                why=f"{COMPOSER} requires {shown(', '.join(sorted(wanted)), 200)}, and without a "
                "lock every build may install other versions.",
                fix="Run `composer install` and commit composer.lock.",
                file=COMPOSER,
            )
        if not tree.is_file(COMPOSER) or wanted:
            return
    files = tuple(name for name in (LOCK, COMPOSER) if tree.is_file(name))
    local = '"type": "path"' in (tree.read(LOCK, MAX_LOCK) or "")
    if files[0] == LOCK:
        yield Phase(
            "fetch",
            commands=(_FETCH,),
            depends_on=("setup",),
            network=True,
            files=() if local else files,
            results=() if local else ("vendor",),
            hint=_HINT,
        )
    scripts = composer.table("scripts")
    after = (_SCRIPTS,) if scripts is not None and "post-install-cmd" in scripts else ()
    name = hashlib.sha256((tree.read(COMPOSER) or "").encode()).hexdigest()[:32]
    commands = (_NAME.format(name), _INSTALL, *after)
    yield Phase("install", commands, depends_on=("fetch",), hint=_HINT)


def _root(tree: SourceTree, composer: Table, variables: Mapping[str, str]) -> str:
    """The document root: named, or public/ with an index.php (Laravel, Symfony), or the top."""
    extra = composer.table("extra")
    heroku = extra.table("heroku") if extra is not None else None
    named = heroku.text("document-root") if heroku is not None else None
    if variables.get(ROOT):
        return caddy.checked_root(variables[ROOT], ROOT)
    if named:
        return caddy.checked_root(named, "extra.heroku.document-root")
    return next((one for one in ("public", "web") if tree.is_file(f"{one}/index.php")), ".")
