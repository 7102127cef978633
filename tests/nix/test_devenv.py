"""devenv.nix: what is read out of it, and what is said against it. Nothing is built."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.builds.builders.base import BuildFailed
from apps.builds.builders.nix import complaints
from apps.builds.builders.nix.evaluation import system
from apps.builds.builders.steps import Ended
from paas.nix.errors import NixFailed
from paas.nix.store import Store

Read = Callable[..., dict[str, Any]]
Refusal = Callable[..., BuildFailed]
_HERE = Path(__file__).parent


@pytest.fixture
def read(store: Store, tmp_path: Path) -> Read:
    """`read(text)`: what the devenv.nix with that body says; `files` lie beside it."""

    def evaluate(
        body: str, files: dict[str, str] | None = None, imports: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        root = tmp_path / "app"
        module = body if body.startswith("{") else f"{{ pkgs, lib, config, ... }}: {{\n{body}\n}}"
        for name, text in {"devenv.nix": module, **(files or {})}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        request = tmp_path / "request.json"
        wish = {"set": "debian", "system": system(), "root": str(root), "imports": imports}
        request.write_text(json.dumps(wish))
        out = store.run(
            *("nix-instantiate", "--eval", "--strict", "--json", str(_HERE / "devenv.nix")),
            *("--argstr", "root", str(root), "--arg", "request", str(request)),
        )
        found: dict[str, Any] = json.loads(out)
        return found

    return evaluate


@pytest.fixture
def refusal(read: Read) -> Refusal:
    """The error that a devenv.nix gets; it names what, why and the fix."""

    def refuse(body: str, *given: Any) -> BuildFailed:
        with pytest.raises(NixFailed) as caught:
            read(body, *given)
        lines = caught.value.output.split("\n")
        error = complaints.failure(lines, Ended(1, (), False), lambda: ["jq", "curl"])
        assert error.what and error.why and error.fix
        return error

    return refuse


def test_what_it_says_is_read(read: Read) -> None:
    said = read(
        """
        packages = [ pkgs.jq pkgs.curl ];
        env = { GREETING = "hello"; PORTS = 3; DEBUG = true; QUIET = false; GONE = null; };
        processes.web.exec = "serve --port $PORT";
        processes.worker = { exec = "work"; cwd = "jobs"; env.QUEUE = "high"; };
        scripts.hi.exec = "echo hi";
        """
    )
    assert [name.split("-")[0] for name in said["packages"]] == ["jq", "curl"]
    environment = said["environment"]
    assert environment["GREETING"] == "hello"
    assert (environment["PORTS"], environment["DEBUG"], environment["QUIET"]) == ("3", "1", "")
    assert "GONE" not in environment
    assert environment["DEVENV_ROOT"] == "/app"
    assert said["processes"] == {
        "web": {"exec": "serve --port $PORT", "cwd": ".", "environment": {}},
        "worker": {"exec": "work", "cwd": "jobs", "environment": {"QUEUE": "high"}},
    }
    assert said["scripts"]["hi"]["exec"] == "echo hi"


def test_a_module_without_arguments_is_one_too(read: Read) -> None:
    assert read('{ env.A = "1"; } # a set: no function')["environment"]["A"] == "1"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('env.A = lib.mkIf true "yes";', "yes"),
        ('env = lib.mkIf true { A = "yes"; };', "yes"),
        ('env.A = lib.mkMerge [ (lib.mkIf false "no") (lib.mkIf true "yes") ];', "yes"),
        ('env = lib.mkMerge [ { A = lib.mkDefault "no"; } { A = "yes"; } ];', "yes"),
        ('env = lib.mkMerge [ { A = lib.mkForce "yes"; } { A = "no"; } ];', "yes"),
        ('env = lib.mkForce (lib.mkIf true { A = "yes"; });', "yes"),
        ('env.A = lib.mkOverride 10 (lib.mkIf true "yes");', "yes"),
        ('env.A = if config.languages.go.enable then "no" else "yes";', "yes"),
        ('env.A = lib.optionalString (lib.hasPrefix "/" config.env.DEVENV_ROOT) "yes";', "yes"),
    ],
)
def test_properties_decide(read: Read, body: str, value: str) -> None:
    assert read(body)["environment"]["A"] == value


def test_a_variable_whose_condition_is_false_is_not_there(read: Read) -> None:
    assert "A" not in read('env.A = lib.mkIf false "no";')["environment"]


def test_lists_are_joined_in_order(read: Read) -> None:
    said = read(
        "imports = [ ./a.nix ]; packages = lib.mkBefore [ pkgs.jq ];",
        {"a.nix": "{ pkgs, ... }: { packages = [ pkgs.curl ]; }"},
    )
    assert [name.split("-")[0] for name in said["packages"]] == ["jq", "curl"]


def test_modules_of_the_repository_are_imported_once(read: Read) -> None:
    said = read(
        'imports = [ ./a.nix ./nested ./a.nix { env.INLINE = "1"; } ];',
        {
            "a.nix": "{ pkgs, ... }:{ packages = [ pkgs.jq ]; imports = [ ./nested/devenv.nix ]; }",
            "nested/devenv.nix": '{ lib, ... }: { env.NESTED = lib.toUpper "yes"; }',
        },
    )
    assert len(said["packages"]) == 1
    assert (said["environment"]["NESTED"], said["environment"]["INLINE"]) == ("YES", "1")


def test_what_devenv_yaml_imports_is_imported(read: Read) -> None:
    said = read('env.A = "1";', {"service/devenv.nix": '{ env.B = "2"; }'}, ("service",))
    assert (said["environment"]["A"], said["environment"]["B"]) == ("1", "2")


def test_a_module_may_add_options(read: Read) -> None:
    said = read(
        "imports = [ ./own.nix ]; my.port = 3000;",
        {
            "own.nix": """{ lib, config, ... }: {
              options.my.port = lib.mkOption { type = lib.types.int; default = 1; };
              options.my.on = lib.mkEnableOption "x";
              config.env.MY_PORT = config.my.port;
            }"""
        },
    )
    assert said["environment"]["MY_PORT"] == "3000"


def test_languages_bring_their_programs(read: Read) -> None:
    said = read(
        'languages.python = { enable = true; version = "3.11"; uv.enable = true;'
        " uv.sync.enable = true; };"
        "languages.javascript = { enable = true; package = pkgs.nodejs_22; npm.enable = true;"
        " npm.install.enable = true; };"
        "languages.go.enable = true; languages.ruby.enable = lib.mkDefault false;"
    )
    programs = {name: one["packages"][0] for name, one in said["languages"].items()}
    assert {name: text.split("-")[0] for name, text in programs.items()} == {
        "go": "go",
        "javascript": "nodejs",
        "python": "python3",
    }
    assert said["languages"]["python"]["dependencies"] == "uv"
    assert said["languages"]["python"]["version"].startswith("3.11")
    assert said["languages"]["javascript"]["dependencies"] == "npm"


@pytest.mark.parametrize(
    ("given", "key", "value"),
    [
        ("./sub/requirements.txt", "file", "sub/requirements.txt"),
        ('"flask\\ngunicorn"', "text", "flask\ngunicorn"),
    ],
)
def test_a_virtual_environment_becomes_dependencies(
    read: Read, given: str, key: str, value: str
) -> None:
    said = read(
        f"languages.python = {{ enable = true; venv.enable = true; venv.requirements = {given}; }};"
    )
    python = said["languages"]["python"]
    assert (python["dependencies"], python[key]) == ("requirements", value)


def test_services_are_hints_and_shells_are_ignored(read: Read) -> None:
    said = read(
        'services.postgres = { enable = true; initialDatabases = [ { name = "x"; } ]; };'
        "services.redis.enable = false;"
        'enterShell = throw "never looked at"; git-hooks.hooks.black.enable = true;'
        'processes.web = { exec = "x"; process-compose.shutdown.signal = 15; };'
        "languages.python.lsp.enable = true;"
    )
    assert said["services"] == ["postgres"]
    assert said["ignored"] == [
        "enterShell (devenv.nix)",
        "git-hooks (devenv.nix)",
        "languages.python.lsp (devenv.nix)",
        "processes.web.process-compose (devenv.nix)",
    ]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("pakages = [ ];", "devenv.nix: there is no option pakages"),
        ("languages.pyton.enable = true;", "devenv.nix: there is no option languages.pyton"),
        (
            "languages.python.enabel = true;",
            "devenv.nix: there is no option languages.python.enabel",
        ),
        ("services.postgress.enable = true;", "devenv.nix: there is no option services.postgress"),
        ('processes.web.exce = "x";', "devenv.nix: there is no option processes.web.exce"),
    ],
)
def test_an_unknown_option_is_named_with_the_nearest(
    refusal: Refusal, body: str, what: str
) -> None:
    error = refusal(body)
    assert error.what == what
    assert "Nearest to it: " in error.why


@pytest.mark.parametrize(
    ("body", "what", "why"),
    [
        ('packages = "jq";', "packages must be a list", 'It is the text "jq".'),
        ('packages = [ "jq" ];', "each of packages must be a package", 'It is the text "jq".'),
        ("packages = [ null ];", "each of packages must be a package", "It is null."),
        ("env.A = [ 1 ];", "env.A must be a text, a number", "It is a list."),
        ("env = 3;", "env must be a set", "It is the number 3."),
        ('languages.go.enable = "yes";', "languages.go.enable must be true or false", "yes"),
        ("languages.go = true;", "languages.go must be a set", "It is true or false."),
        ("processes.web.exec = 1;", "processes.web.exec must be a text or a path", "number 1"),
        ("processes.web = { };", "processes.web.exec is not set", "no value"),
        ('scripts.x = "echo";', "scripts.x must be a set", "echo"),
        ("languages.python.version = 3.11;", "languages.python.version must be a text or null", ""),
        (
            'languages.python = { enable = true; version = "2.7"; };',
            "there is no python 2.7",
            "3.11",
        ),
        ("languages.rust.enable = true;", "there is no package rustc", "does not have it"),
        ("overlays = [ (a: b: { }) ];", "overlays is not supported", "server's set"),
        ("{ nothing, ... }: { }", "asks for the argument nothing", "config, inputs, lib, pkgs"),
        ("imports = [ ./gone.nix ];", "imports gone.nix, which is not there", "Neither"),
        ("imports = [ /etc ];", "imports /etc", "from the repository alone"),
        ("imports = [ ../x.nix ];", "imports ", "from the repository alone"),
        ("config = { }; env = { };", "env stands beside config", "in `config`"),
    ],
)
def test_what_is_wrong_is_told(refusal: Refusal, body: str, what: str, why: str) -> None:
    error = refusal(body)
    assert what in error.what
    assert why in error.why


def test_the_file_at_fault_is_named(refusal: Refusal) -> None:
    error = refusal("imports = [ ./deep/a.nix ];", {"deep/a.nix": "{ env = [ ]; }"})
    assert error.what == "deep/a.nix: env must be a set"


def test_two_values_for_one_option_name_both_files(refusal: Refusal) -> None:
    error = refusal('imports = [ ./a.nix ]; env.A = "1";', {"a.nix": '{ env.A = "2"; }'})
    assert "env.A is set twice" in error.what
    assert "a.nix and devenv.nix" in error.why


@pytest.mark.parametrize("body", ["packages = [ pkgs.jqq ];", "packages = with pkgs; [ jqq ];"])
def test_a_package_that_is_not_there_is_named_with_the_nearest(refusal: Refusal, body: str) -> None:
    error = refusal(body)
    assert "'jqq'" in error.what
    assert "Nearest to it: jq." in error.why


def test_text_of_the_repository_stays_text(read: Read) -> None:
    said = read(
        'env.A = \'\'$(touch /tmp/x) `id` "quoted" \'\' + "\\${b}" + "\'\\n";'
        ' processes.web.exec = "echo \'\\"$PORT\\"\'";'
    )
    assert said["environment"]["A"] == '$(touch /tmp/x) `id` "quoted" ${b}\'\n'
    assert said["processes"]["web"]["exec"] == "echo '\"$PORT\"'"
