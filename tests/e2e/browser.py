"""Debian's Chromium against a running instance, and what must not happen in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.base import AxeBase
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.world import World

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 30_000  # milliseconds; deploys take some seconds, on a busy machine more
_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error("CSP:", event.violatedDirective, event.blockedURI, event.sample);
});
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser for a module of tests."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is missing: apt install chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visitor:
    """Somebody at the panel's pages; `complaints` is what a browser says of bad pages."""

    world: World
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(f"http://localhost:{self.world.port}{path}")
        return self.page

    def sign_in(self) -> None:
        """As the admin."""
        self.go("/dashboard/sign-in")
        self.page.get_by_label("E-mail").fill("admin@localhost")
        password = (self.world.home / "admin-password").read_text().strip()
        self.page.get_by_label("Password").fill(password)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url("**/dashboard/")


def visitor(world: World, browser: Browser, *, scripts: bool = True) -> Visitor:
    """A fresh visitor without cookies.

    Args:
        scripts: False for a browser that runs no JavaScript.
    """
    context = browser.new_context(java_script_enabled=scripts)
    context.set_default_timeout(PATIENCE)
    context.add_init_script(_REPORT_VIOLATIONS)
    page = context.new_page()
    found = Visitor(world, context, page)
    page.on("console", lambda message: _note(found, message.type, message.text))
    page.on("pageerror", lambda error: _note(found, "error", str(error)))
    page.on("dialog", lambda dialog: (_note(found, "error", dialog.message), dialog.dismiss()))
    return found


def _note(visitor: Visitor, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        visitor.complaints.append(text)


class Axe(AxeBase):
    """axe-core on a page as it is, in every colour scheme and width that is asked for."""

    def violations(self, page: Page) -> list[str]:
        """What axe finds wrong: rule, page, the first element."""
        page.evaluate(self.axe_script)
        found = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            for width in (1280, 390):
                page.set_viewport_size({"width": width, "height": 900})
                found += [f"{scheme} {width}: {text}" for text in self._run(page)]
        return found

    def run(self, page: Page) -> list[str]:  # the base's one abstract method
        return self.violations(page)

    def _run(self, page: Page) -> list[str]:
        result = page.evaluate("axe.run({resultTypes: ['violations']})")
        return [
            f"{one['id']} at {page.url}: {one['nodes'][0]['html'][:200]}"
            f" {one['nodes'][0].get('failureSummary', '')[:300]}"
            for one in result["violations"]
        ]


def is_too_wide(page: Page, width: int) -> bool:
    """Whether the page scrolls sideways in a window of `width` pixels."""
    page.set_viewport_size({"width": width, "height": 900})
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
