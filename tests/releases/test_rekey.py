"""A change of the key of config vars: add one, encrypt anew, take the old one away."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command

from apps.accounts.errors import Unavailable
from apps.releases import vault
from apps.releases.models import Config


def use(settings: Any, *keys: str) -> None:
    settings.CONFIG_KEYS = list(keys)
    vault._fernet.cache_clear()


@pytest.fixture(autouse=True)
def _keys_as_before() -> Any:
    yield
    vault._fernet.cache_clear()


@pytest.mark.django_db
def test_the_old_key_may_go_after_reencrypt(settings: Any, hello: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    use(settings, old)
    config = Config.objects.create(app=hello, sealed=vault.seal({"A": "1"}))
    use(settings, new)
    with pytest.raises(Unavailable, match="config_keys"):
        call_command("reencrypt")
    use(settings, new, old)
    for _ in range(2):
        call_command("reencrypt")
    use(settings, new)
    config.refresh_from_db()
    assert vault.unseal(config.sealed) == {"A": "1"}
