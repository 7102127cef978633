"""A plugin of pytest's: only the tests that open the database or belong to the whole system.

The others are the same on every database, so a second run on another one leaves them out.
"""

from __future__ import annotations

import pytest

_FIXTURES = {"db", "transactional_db", "django_db_setup"}
_MARKS = ("django_db", "e2e")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if not _opens(item)])
    items[:] = [item for item in items if _opens(item)]


def _opens(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return any(map(item.get_closest_marker, _MARKS)) or not _FIXTURES.isdisjoint(fixtures)
