"""Killing every other part of the panel in the middle of a deploy."""

from __future__ import annotations

import pytest

from tests.e2e.breaking import assert_sound, change, push_in_background
from tests.e2e.parts import find, kill

OTHERS = ["web", "gateway", "observer", "redis", "caddy", "panel", "apps"]
MOMENTS = ["build.unpacked", "release.starting", "release.committed"]


@pytest.mark.parametrize("point", MOMENTS)
@pytest.mark.parametrize("part", OTHERS)
def test_another_part_dies(broken, faults, part, point):
    name = f"{part}-{point}"
    app = change(broken, name)
    faults.order(point, "pause")
    push = push_in_background(broken, app)
    hit = faults.wait_hit(point)
    kill(broken, part)
    hit.unlink(missing_ok=True)
    output, _ = push.communicate(timeout=90)
    faults.clear()
    assert "Traceback" not in output
    assert_sound(broken, app, name)
    assert find(broken, part), f"{part} is back"
