"""Ruby: the version, the gems, Rails' assets, and what is started."""

from __future__ import annotations

import pytest

from buildpacks import plan
from tests.buildpacks.conftest import MakeTree, Refusal, phase_of

Files = dict[str, str | bytes]
GEMFILE = 'source "https://gems.example"\nruby "~> 3.1"\n'
LOCK = "GEM\n  specs:\n    puma (6.0.0)\n    sprockets (4.2.0)\n\nDEPENDENCIES\n  puma\n"
BASE: Files = {"Gemfile": GEMFILE, "Gemfile.lock": LOCK, "config.ru": ""}
RAILS = BASE | {"config/application.rb": "class Application < Rails::Application\nend\n"}


def test_gems_are_fetched_with_the_network_and_built_without(make_tree: MakeTree) -> None:
    made = plan(make_tree(BASE))
    fetch, install = phase_of(made, "fetch"), phase_of(made, "install")
    assert "bundle cache --no-install" in fetch.commands[0]
    assert fetch.network
    assert not fetch.inert, "a Gemfile is a program"
    assert install.commands == ("bundle install --local --jobs 2",)
    assert not install.network
    assert fetch.files == install.files == ("Gemfile.lock", "Gemfile")
    assert "/deps/ruby" in install.results


def test_committed_gems_are_not_fetched(make_tree: MakeTree) -> None:
    made = plan(make_tree(BASE | {"vendor/cache/puma-6.0.0.gem": ""}))
    assert phase_of(made, "fetch").commands == ()
    assert "vendor/cache/puma-6.0.0.gem" in phase_of(made, "install").files


def test_a_folder_called_like_a_gem_is_none(make_tree: MakeTree) -> None:
    made = plan(make_tree(BASE | {"vendor/cache/x.gem/y": ""}))
    assert phase_of(made, "install").files == ("Gemfile.lock", "Gemfile")


def test_gems_of_the_tree_are_installed_in_it(make_tree: MakeTree) -> None:
    made = plan(make_tree(BASE | {"Gemfile.lock": f"PATH\n  remote: engine\n\n{LOCK}"}))
    install = phase_of(made, "install")
    assert install.network
    assert install.files == ()


@pytest.mark.parametrize(
    ("files", "command"),
    [
        (BASE, "bundle exec puma -b tcp://0.0.0.0:$PORT config.ru"),
        (
            BASE | {"Gemfile.lock": "GEM\n  specs:\n    rack (3.0.0)\n"},
            "bundle exec rackup config.ru -o 0.0.0.0 -p $PORT",
        ),
        (RAILS, "bundle exec rails server -b 0.0.0.0 -p $PORT -e $RAILS_ENV"),
    ],
)
def test_what_is_started(make_tree: MakeTree, files: Files, command: str) -> None:
    assert plan(make_tree(files)).processes == {"web": command}


def test_rails_assets_are_made_without_secrets(make_tree: MakeTree) -> None:
    build = phase_of(plan(make_tree(RAILS)), "build")
    assert build.commands[0].endswith("bundle exec rake assets:precompile")
    assert "SECRET_KEY_BASE_DUMMY=1" in build.commands[0]
    without = RAILS | {"Gemfile.lock": "GEM\n  specs:\n    rails (7.1.0)\n"}
    assert all(phase.name != "build" for phase in plan(make_tree(without)).phases)


@pytest.mark.parametrize(
    ("files", "spec", "source"),
    [
        (BASE, "~> 3.1", "Gemfile"),
        (BASE | {"Gemfile": "", ".ruby-version": "ruby-3.1.2\n"}, "3.1.2", ".ruby-version"),
        (BASE | {"Gemfile": 'ruby file: ".ruby-version"\n'}, "", "default"),
    ],
)
def test_which_version(make_tree: MakeTree, files: Files, spec: str, source: str) -> None:
    made = plan(make_tree(files))
    assert (made.pins[0].spec, made.pins[0].source) == (spec, source)


def test_no_lock_is_refused(refusal: Refusal) -> None:
    error = refusal({"Gemfile": GEMFILE})
    assert "Gemfile.lock" in error.what
    assert "bundle install" in error.fix


def test_a_word_is_no_version(refusal: Refusal) -> None:
    assert "3.1.2" in refusal(BASE | {"Gemfile": 'ruby "new"\n'}).why
