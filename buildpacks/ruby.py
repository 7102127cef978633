"""The Ruby provider: gems by Gemfile.lock, Rails' assets, Rails or Rack as the web server.

The Gemfile is a program, so it is searched by regular expression and never run
here; whoever runs it (Bundler) does so as the app's user.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from buildpacks.errors import PlanError, shown
from buildpacks.plan import Phase, Pin, Plan
from buildpacks.ranges import parse_range
from buildpacks.tree import SourceTree

GEMFILE, LOCK = "Gemfile", "Gemfile.lock"
MAX_VENDORED = 500  # gems in vendor/cache
_RUBY = re.compile(r"""^[ \t]*ruby[ \t(]+["']([^"'\n]{1,80})["']""", re.MULTILINE)
_GEM = re.compile(r"^    [\w.-]{1,100} \(", re.MULTILINE)
_FETCH = "BUNDLE_CACHE_ALL=true bundle cache --no-install"
_VERSION_FILE = ".ruby-version"
# as Heroku's buildpack sets them
_VARIABLES = {
    "BUNDLE_FROZEN": "true",
    "BUNDLE_PATH": "/deps/ruby",
    "BUNDLE_WITHOUT": "development:test",
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "RACK_ENV": "production",
    "RAILS_ENV": "production",
    "RAILS_LOG_TO_STDOUT": "enabled",
    "RAILS_SERVE_STATIC_FILES": "enabled",
}
_STAND_INS = (
    'SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE="${SECRET_KEY_BASE:-only-for-this-build}" '
    'DATABASE_URL="${DATABASE_URL:-postgres://user:pass@127.0.0.1/dbname}"'
)
_HINT = (
    "If it says that Gemfile and Gemfile.lock do not fit: run `bundle install`, commit "
    "Gemfile.lock and push again. Gems with C code need a compiler on the server."
)


def is_ruby(tree: SourceTree) -> bool:
    """Whether the tree looks like a Ruby app."""
    return tree.is_file(GEMFILE)


def plan_ruby(tree: SourceTree, variables: Mapping[str, str], *, default_web: bool) -> Plan:
    """The plan of a Ruby app.

    Raises:
        PlanError: there is no Gemfile.lock, or the Ruby version is none.
    """
    lock = tree.read(LOCK)
    if lock is None:
        raise PlanError(
            "There is no Gemfile.lock",
            why="Without it every build may install other versions of the gems.",
            fix="Run `bundle install` and commit Gemfile.lock.",
            file=GEMFILE,
        )
    pin, warnings = _pin(tree, variables)
    rails = "Rails::Application" in tree.glance("config/application.rb")
    phases = (Phase("setup"), *_gems(tree, lock), *_assets(lock, rails=rails))
    plan = Plan(
        providers=("ruby",),
        name="Ruby",
        pins=(pin,),
        phases=phases,
        variables=_VARIABLES,
        notes=("Gems come from Gemfile.lock (Bundler)",),
        warnings=warnings,
    )
    start = _start(tree, lock, rails=rails) if default_web else None
    if start is None:
        return plan
    return replace(plan, processes={"web": start[0]}, processes_from=start[1])


def _pin(tree: SourceTree, variables: Mapping[str, str]) -> tuple[Pin, tuple[str, ...]]:
    """NIXPACKS_RUBY_VERSION, then the Gemfile (which Bundler enforces), then .ruby-version."""
    match = _RUBY.search(tree.glance(GEMFILE))
    file = (tree.read(_VERSION_FILE) or "").strip()
    for asked, source in (
        (variables.get("NIXPACKS_RUBY_VERSION"), "NIXPACKS_RUBY_VERSION"),
        (match[1] if match is not None else None, GEMFILE),
        (file.split("\n")[0].strip(), _VERSION_FILE),
    ):
        if asked:
            return Pin("ruby", _checked(asked.removeprefix("ruby-"), source), source), ()
    warning = (
        "No Ruby version was specified, so the newest one here is used and may change. Write it "
        'into the Gemfile, for example: ruby "~> 3.1".'
    )
    return Pin("ruby", "", "default"), (warning,)


def _checked(asked: str, source: str) -> str:
    try:
        parse_range(asked)
    except ValueError:
        raise PlanError(
            f'"{shown(asked)}" is not a Ruby version',
            why="It must be written as 3.1.2 or ~> 3.1.",
            fix=f"Correct it in {source}.",
            file=source if source != "NIXPACKS_RUBY_VERSION" else None,
        ) from None
    return asked


def _gems(tree: SourceTree, lock: str) -> tuple[Phase, ...]:
    """fetch → install; gems at paths in the tree are installed in the tree, with the network."""
    if "\nPATH\n" in f"\n{lock}":
        command = "bundle install --jobs 2"
        environment = "BUNDLE_PATH=vendor/bundle"
        return (
            Phase("install", (f"{environment} {command}",), ("setup",), network=True, hint=_HINT),
        )
    gems = [name for name in tree.names("vendor/cache") if name.endswith(".gem")]
    paths = (f"vendor/cache/{name}" for name in gems[:MAX_VENDORED])
    vendored = [path for path in paths if tree.is_file(path)]
    files = [name for name in (LOCK, GEMFILE, _VERSION_FILE) if tree.is_file(name)] + vendored
    fetch = Phase(
        "fetch",
        commands=(_FETCH,) if _GEM.search(lock) and not vendored else (),
        depends_on=("setup",),
        network=True,
        files=tuple(files),
        results=("vendor/cache", "/deps/ruby"),
        hint=_HINT,
    )
    install = Phase(
        "install",
        commands=("bundle install --local --jobs 2",),
        depends_on=("fetch",),
        files=tuple(files),
        results=("/deps/ruby",),
        hint=_HINT,
    )
    return fetch, install


def _assets(lock: str, *, rails: bool) -> tuple[Phase, ...]:
    """Rails' assets, where a gem makes some."""
    if not rails or not re.search(r"^    (?:sprockets|propshaft) ", lock, re.MULTILINE):
        return ()
    return (
        Phase(
            "build",
            commands=(f"{_STAND_INS} bundle exec rake assets:precompile",),
            depends_on=("install",),
            hint="Its output above says why. The build sees no config vars and no network.",
        ),
    )


def _start(tree: SourceTree, lock: str, *, rails: bool) -> tuple[str, str] | None:
    """Railpack's start, with Puma where it is among the gems."""
    if rails:
        return "bundle exec rails server -b 0.0.0.0 -p $PORT -e $RAILS_ENV", "Rails"
    if tree.is_file("config.ru"):
        if re.search(r"^    puma ", lock, re.MULTILINE):
            return "bundle exec puma -b tcp://0.0.0.0:$PORT config.ru", "Rack (Puma)"
        return "bundle exec rackup config.ru -o 0.0.0.0 -p $PORT", "Rack"
    return None
