"""Settings for the tests and the type checker: an instance of their own, with fresh keys."""

import atexit
import os
import shutil
import tempfile

if "PAAS_HOME" not in os.environ:
    os.environ["PAAS_HOME"] = tempfile.mkdtemp(prefix="paas-test-")
    atexit.register(shutil.rmtree, os.environ["PAAS_HOME"], ignore_errors=True)

# No test touches the machine's store.
os.environ.setdefault("PAAS_NIX_STORE", f"{os.environ['PAAS_HOME']}/nix-store")

from paas import instance, keys

keys.ensure_keys(instance.current())

from paas.settings import *  # noqa: E402, F403

# A file, not memory: threads of a test must meet in one database, as the panel's parts do.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":  # noqa: F405
    DATABASES["default"]["TEST"] = {"NAME": str(INSTANCE.home / "test.sqlite3")}  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
STATIC_ROOT = None
