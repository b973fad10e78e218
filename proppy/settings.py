"""The site's settings. The only file that reads the environment; `.env.example` explains each variable."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.FileAwareEnv()
env.read_env(BASE_DIR / ".env")


def _number(name: str, *, default: int) -> int | str:
    """What is no number stays as it is: `manage.py check` names it."""
    value: str = env.str(name, default=str(default))
    return int(value) if value.isascii() and value.isdigit() else value


DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
LOCAL_ADMIN_PASSWORD = env.str("LOCAL_ADMIN_PASSWORD", default="")  # of `make run`
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"] if DEBUG else [])
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
STATE_DIR = BASE_DIR / env.str("STATE_DIR", default="var")
try:  # database, spool and file journal: nobody else's business
    STATE_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
except OSError as error:
    raise ImproperlyConfigured(f"STATE_DIR cannot be made ({error}): name a folder that this user owns.") from error

INSTALLED_APPS = [
    "proppy",
    "notifications",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "notifications.middleware.RequestStats",
    "proppy.middleware.Trace",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "proppy.urls"
WSGI_APPLICATION = "proppy.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Database. One connection for each thread, kept open: opening one for each request costs more than the request.
DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql", "psql", "pgsql")
_database_url = env.str("DATABASE_URL", default="") or f"sqlite:///{STATE_DIR / 'proppy.sqlite3'}"
if urlsplit(_database_url).scheme not in DATABASE_SCHEMES:
    raise ImproperlyConfigured("DATABASE_URL: write sqlite:////path/of/a/file or postgres://user:password@host/name.")
DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url_config(_database_url)}
DATABASES["default"]["CONN_MAX_AGE"] = None
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
SQLITE_SYNCHRONOUS = env.str("SQLITE_SYNCHRONOUS", default="FULL")
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        transaction_mode="IMMEDIATE",
        timeout=5,
        init_command=f"PRAGMA journal_mode=WAL; PRAGMA synchronous={SQLITE_SYNCHRONOUS};",
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Mail: the console, unless EMAIL_URL says otherwise.
_email_url = env.str("EMAIL_URL", default="consolemail://")
if urlsplit(_email_url).scheme not in env.EMAIL_SCHEMES:
    raise ImproperlyConfigured("EMAIL_URL: write smtp+tls://user:password@host:587 or consolemail://.")
vars().update(env.email_url_config(_email_url))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="proppy <proppy@localhost>")

# Files: a folder, or S3 where a bucket is named. Photos are never public: the site hands out signed addresses.
S3_BUCKET = env.str("S3_BUCKET", default="")
S3_ENDPOINT_URL = env.str("S3_ENDPOINT_URL", default="")
MEDIA_ROOT = STATE_DIR / "media"
FILE_UPLOAD_HANDLERS = ["proppy.uploads.BoundedMemoryUpload"]
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
if S3_BUCKET:
    from proppy.s3 import storage_options

    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": storage_options(S3_BUCKET, S3_ENDPOINT_URL),
    }

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

# Security. Outside DEBUG the site is only ever seen over HTTPS.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = not DEBUG
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 0 if DEBUG else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
X_FRAME_OPTIONS = "DENY"
_s3_origin = (
    "{0.scheme}://{0.netloc}".format(urlsplit(S3_ENDPOINT_URL)) if S3_ENDPOINT_URL else "https://*.amazonaws.com"
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:", *([_s3_origin] if S3_BUCKET else [])],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
    }
}
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "sign-up"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}

# The engine: see notifications/conf.py for what each setting does.
NOTIFICATIONS_STATE_DIR = STATE_DIR
NOTIFICATIONS_JOURNAL_URL = env.str("JOURNAL_URL", default="auto")
NOTIFICATIONS_TEXT_JOURNAL_URL = env.str("TEXT_JOURNAL_URL", default="")
NOTIFICATIONS_RAW_MAX_BODY_BYTES = _number("RAW_MAX_BODY_BYTES", default=10 * 1024 * 1024)
NOTIFICATIONS_TRUSTED_PROXIES = TRUSTED_PROXIES
NOTIFICATIONS_SOURCES: dict[str, dict[str, Any]] = {
    "contact": {"http": True, "redirect": "/"},
    "demo": {"http": DEBUG},
    "welcome": {},
    "sign-in": {},
    "photo": {},
}
NOTIFICATIONS_CHANNELS: dict[str, dict[str, Any]] = {
    "SLACK": {
        "class": "notifications.channels.slack.Slack",
        "token": env.str("SLACK_TOKEN", default=""),
        "channel": env.str("SLACK_CHANNEL", default="#proppy"),
        "username": env.str("SLACK_USERNAME", default="proppybot"),
        "icon": env.str("SLACK_ICON", default=":robot_face:"),
        "api_url": env.str("SLACK_API_URL", default=""),
    },
    "REPORT": {"class": "notifications.channels.report.Report"},
    "LOST": {"class": "notifications.channels.losses.Losses"},
}
