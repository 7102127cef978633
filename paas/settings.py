"""Django's settings: everything comes from the instance and a few environment variables."""

from __future__ import annotations

import os
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from paas import instance, keys
from paas.choices import choice
from paas.runtimes.choice import misfit

BASE_DIR = Path(__file__).resolve().parent.parent
INSTANCE = instance.current()

SECRET_KEY = keys.read_key(INSTANCE, "secret_key")
CONFIG_KEYS = keys.read_key(INSTANCE, "config_keys").split()
INTERNAL_TOKEN = keys.read_key(INSTANCE, "internal_token")

DEBUG = False
# The front door passes only requests for its own hosts; internal calls name "panel".
ALLOWED_HOSTS = [INSTANCE.domain, "localhost", "127.0.0.1", "[::1]", "panel"]
USE_X_FORWARDED_HOST = False
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "apps.activity",
    "apps.accounts",
    "apps.catalog",
    "apps.source",
    "apps.logs",
    "apps.builds",
    "apps.releases",
    "apps.formation",
    "apps.nodes",
    "apps.dashboard",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "paas.static.StaticFiles",
    "paas.middleware.ApiManners",
    "django.middleware.http.ConditionalGetMiddleware",
]
ROOT_URLCONF = "paas.urls"
ASGI_APPLICATION = "paas.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

DATABASES = {
    "default": dj_database_url.config(default=f"sqlite:///{INSTANCE.database}", conn_max_age=60)
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE: two writers (web and worker) queue instead of failing when they upgrade a lock.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

REDIS_URL = os.environ.get("PAAS_REDIS_URL") or f"unix://{INSTANCE.redis_socket}"
CACHES = {"default": {"BACKEND": "paas.cache.ProcessCache", "LOCATION": REDIS_URL}}

RUNTIME = os.environ.get("PAAS_RUNTIME") or "local"
BUILDER = choice("PAAS_BUILDER", "host", "nix")
NIX_PACKAGES = choice("PAAS_NIX_PACKAGES", "nixpkgs", "debian")
IMAGE_ANNOTATIONS = choice("PAAS_IMAGE_ANNOTATIONS", "both", "closure")
# Whether the worker is the clock, too, or the part `beat` is: the launcher says so to its parts.
CLOCK = choice("PAAS_CLOCK", "within", "apart")
if _misfit := misfit(RUNTIME, BUILDER):
    raise ImproperlyConfigured(_misfit)

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Collected at every start, under names that hold a hash.
STATIC_ROOT: Path | None = INSTANCE.run / "static"
STORAGES = {
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_ALLOW_ALL_ORIGINS = False

# The pages' sessions; the API takes no cookies. Browsers send cookies to every port of a host,
# so the name tells the instances of one machine apart. Apps are same-site neighbours, from
# which SameSite protects nothing: `apps/dashboard/guard.py` does. Lax, so that a link in a mail
# does not end at the sign-in page.
_HTTPS = INSTANCE.origin.startswith("https:")
SESSION_COOKIE_NAME = "__Host-paas-session" if _HTTPS else f"paas-session-{INSTANCE.port}"
SESSION_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 7 * 24 * 3600
CSRF_USE_SESSIONS = True  # a neighbour can plant a cookie, but not a token in our session
CSRF_FAILURE_VIEW = "apps.dashboard.entry.token_missing"

API_CALLS_PER_HOUR = int(os.environ.get("PAAS_API_CALLS_PER_HOUR") or 4500)  # Heroku's, per user
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
NINJA_NUM_PROXIES = 1

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"not_health": {"()": "paas.health.NotHealth"}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        # Until all parts are up, /healthz answers 503: no news for the log.
        "django.request": {"filters": ["not_health"]},
    },
    "root": {"handlers": ["stderr"], "level": os.environ.get("PAAS_LOG_LEVEL") or "INFO"},
}
