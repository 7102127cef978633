"""Release roots, as the Nix builder makes them, without the Nix builder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from paas.nix.store import Store
from paas.runtimes.base import Artifact

WRITER = Path(__file__).parents[2] / "nix" / "lib" / "image.py"
EXPRESSION = Path(__file__).with_name("release.nix")
APPLETS = (
    "cat",
    "env",
    "httpd",
    "id",
    "ls",
    "sleep",
    "touch",
    "wget",
    "echo",
    "mkdir",
    "ln",
    "cp",
    "sh",
)
WEB = "exec httpd -f -p $PORT -h /app/public"


def make(
    store: Store,
    folder: Path,
    files: Mapping[str, str] | None = None,
    *,
    name: str = "release",
    environment: Mapping[str, str] | None = None,
    extra: str = "",
    refers: Sequence[str] = (),
) -> Artifact:
    """Build a release root in `store`.

    Args:
        folder: where the sources are put together.
        files: of the app, beside `public/index.html`.
        extra: more shell for the derivation, where `$app` is the app's path.
        refers: store paths that are to be in the closure too.
    """
    tools = _tools(folder / "tools")
    app = folder / "app"
    for path, text in {"public/index.html": "hello\n", **(files or {})}.items():
        (app / path).parent.mkdir(parents=True, exist_ok=True)
        (app / path).write_text(text)
    parameters = folder / "parameters.json"
    given: dict[str, object] = {"name": name, "tools": str(tools), "app": str(app), "extra": extra}
    given |= {"environment": dict(environment or {}), "refers": list(refers)}
    parameters.write_text(json.dumps(given))
    build = ("nix-build", "--no-out-link", str(EXPRESSION), "--argstr", "parameters")
    path = store.run(*build, str(parameters)).strip()
    return Artifact(kind="nix", path=path, digest=path)


def image_of(store: Store, built: Artifact, folder: Path) -> str:
    """An image as the Nix builder writes it; here outside of a derivation."""
    config = folder / "config.json"
    config.write_text(json.dumps({"image": {"Cmd": ["web"]}, "annotations": "both"}))
    listed = folder / "paths"
    listed.write_text("\n".join(store.requisites([built.path])) + "\n")
    out, root = folder / "image.tar", store.physical(built.path) / "root"
    argv = [sys.executable, str(WRITER), str(out), str(config), str(listed), str(root), "/none"]
    subprocess.run(argv, check=True)
    return store.add(out)


def _tools(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "etc" / "ssl").mkdir(parents=True, exist_ok=True)
    (folder / "etc" / "passwd").write_text("nobody's\n")
    busybox = folder / "bin" / "busybox"
    if not busybox.exists():
        busybox.write_bytes(Path("/bin/busybox").read_bytes())
        busybox.chmod(0o755)
        for applet in APPLETS:
            (folder / "bin" / applet).symlink_to("busybox")
    return folder
