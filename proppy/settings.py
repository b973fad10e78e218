"""The site's settings. The only file that reads the environment; `.env.example` explains each variable."""

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from notifications import sqlite
from proppy import environment

BASE_DIR = Path(__file__).resolve().parent.parent

env = environment.Env()
env.read_env(BASE_DIR / ".env")

DEBUG = env.boolean("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
LOCAL_ADMIN_PASSWORD = env.str("LOCAL_ADMIN_PASSWORD", default="")  # of `make run`
ALLOWED_HOSTS = env.allowed_hosts("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"] if DEBUG else [])
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", cast=str.strip, default=[])
STATE_DIR = BASE_DIR / (env.str("STATE_DIR", default="") or "var")  # proppy/apps.py makes it

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
    "notifications.proxies.TrustedProxies",  # must be first: strips headers of untrusted peers
    "notifications.health.StatusPages",
    "notifications.patience.PatientRequests",
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

# Database. One connection for each thread, kept open: to open one takes longer than a request.
_database_url = env.str("DATABASE_URL", default="") or f"sqlite:///{quote(str(STATE_DIR / 'proppy.sqlite3'))}"
DATABASES: dict[str, dict[str, Any]] = {"default": environment.database(_database_url, BASE_DIR)}
DATABASES["default"]["CONN_MAX_AGE"] = None
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
SQLITE_SYNCHRONOUS = env.str("SQLITE_SYNCHRONOUS", default="FULL")
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"] = sqlite.database(
        DATABASES["default"].pop("NAME"), synchronous=SQLITE_SYNCHRONOUS, **DATABASES["default"]
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Mail: the console, unless EMAIL_URL says otherwise.
_mail = environment.mail(env.str("EMAIL_URL", default="consolemail://"))
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _mail["EMAIL_HOST"], _mail["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"], _mail["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.get("EMAIL_USE_TLS", False), _mail.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = _mail["EMAIL_FILE_PATH"]
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="proppy <proppy@localhost>")

# Files: a folder, or S3 if S3_BUCKET is set. Photos are never public: the site redirects to signed addresses.
# Large bodies are in the same bucket, or in STATE_DIR/bodies.
S3_BUCKET = env.str("S3_BUCKET", default="")
S3_ENDPOINT_URL = env.web_address("S3_ENDPOINT_URL")
MEDIA_ROOT = STATE_DIR / "media"
FILE_UPLOAD_HANDLERS = ["proppy.uploads.BoundedMemoryUpload"]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "allow_overwrite": True,  # a repeated handler stores a photo under the same name
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
# django-storages reads these two. If they are empty, boto3 uses the machine's role.
AWS_ACCESS_KEY_ID = env.str("AWS_ACCESS_KEY_ID", default="") or None
AWS_SECRET_ACCESS_KEY = env.str("AWS_SECRET_ACCESS_KEY", default="") or None
if S3_BUCKET:
    from proppy.s3 import body_storage_options, storage_options

    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": storage_options(S3_BUCKET, S3_ENDPOINT_URL),
    }
    STORAGES["raw"] = {
        "BACKEND": "proppy.body_s3.StreamingS3Storage",
        "OPTIONS": body_storage_options(S3_BUCKET, S3_ENDPOINT_URL),
    }

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

DEFAULT_EXCEPTION_REPORTER_FILTER = "proppy.error_report.WithoutSecretAddresses"

# Security. Without DEBUG the site is served over HTTPS only.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = not DEBUG
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 0 if DEBUG else 31_536_000
# No HSTS for subdomains, and no preload: it affects each host of the domain, and cannot be undone for months.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
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
    "formatters": {
        "line": {
            "()": "notifications.log.ReadableFormatter",
            "fmt": "%(levelname)s %(name)s%(payload)s: %(message)s",
            "journal_stream": env.str("JOURNAL_STREAM", default=""),  # set by systemd
            "piped": env.boolean("PIPED_TO_TERMINAL", default=False),  # set by make run
        }
    },
    "filters": {
        "payload": {"()": "notifications.log.PayloadFilter"},  # the payload that a handler logs for
        "outages": {"()": "proppy.log.ShortOutages"},
        "refusals": {"()": "proppy.log.ShortRefusals"},
        "links": {"()": "proppy.log.SecretLinks"},
    },
    "handlers": {
        "stderr": {
            "()": "notifications.log.JournalHandler",
            "journal_stream": env.str("JOURNAL_STREAM", default=""),
            "formatter": "line",
            "filters": ["payload", "outages", "refusals", "links"],
        }
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # Without Django's own console handler, which repeats each line under DEBUG.
    "loggers": {"django": {"handlers": [], "propagate": True}},
}

# The engine: see notifications/conf.py for what each setting does.
NOTIFICATIONS_STATE_DIR = STATE_DIR
NOTIFICATIONS_RELEASE = env.str("RELEASE", default="")  # set by deploy/run
NOTIFICATIONS_JOURNAL_URL = env.str("JOURNAL_URL", default="auto")
NOTIFICATIONS_TEXT_JOURNAL_URL = env.str("TEXT_JOURNAL_URL", default="")
NOTIFICATIONS_METRICS_URL = env.str("METRICS_URL", default="")
NOTIFICATIONS_RAW_MAX_BODY_BYTES = env.number("RAW_MAX_BODY_BYTES", default=10 * 1024 * 1024, least=1)
NOTIFICATIONS_BODY_STORAGE = "raw" if S3_BUCKET else ""
NOTIFICATIONS_TRUSTED_PROXIES = TRUSTED_PROXIES
NOTIFICATIONS_HTTPS_PROXY = env.str("HTTPS_PROXY", default="") or env.str("https_proxy", default="")
NOTIFICATIONS_NO_PROXY = (env.str("NO_PROXY", default="") or env.str("no_proxy", default="")).split(",")
NOTIFICATIONS_RATE_LIMITS = env.boolean("RATE_LIMITS", default=True)
NOTIFICATIONS_STATUS_TOKEN = env.str("STATUS_TOKEN", default="")
NOTIFICATIONS_SITE_URL = env.web_address("SITE_URL")
NOTIFICATIONS_HEARTBEAT_URL = env.web_address("HEARTBEAT_URL")
NOTIFICATIONS_NOTIFY_SOCKET = env.str("NOTIFY_SOCKET", default="")  # set by systemd
NOTIFICATIONS_FOLLOWER_UNIT = "proppy-follow-journal.service"
NOTIFICATIONS_ALERT_LOG_UNITS = env.list("ALERT_LOG_UNITS", cast=str.strip, default=[])
NOTIFICATIONS_SOURCES: dict[str, dict[str, Any]] = {
    "contact": {"http": True, "redirect": "/#contact"},
    "demo": {"http": DEBUG, "rate": ""},
    "welcome": {},
    "sign-in": {},
    "photo": {},
}
NOTIFICATIONS_CHANNELS: dict[str, dict[str, Any]] = {
    "SLACK": {
        "class": "notifications.channels.slack.Slack",
        "token": env.str("SLACK_TOKEN", default=""),
        "webhook_url": env.str("SLACK_WEBHOOK_URL", default=""),
        "channel": env.str("SLACK_CHANNEL", default="#proppy"),
        "username": env.str("SLACK_USERNAME", default="proppybot"),
        "icon": env.str("SLACK_ICON", default=":robot_face:"),
        "api_url": env.web_address("SLACK_API_URL"),
    },
    "REPORT": {"class": "notifications.channels.report.Report"},
}
# Alerts: to Slack like everything else, or to a Slack channel of their own.
SLACK_ALERT_CHANNEL = env.str("SLACK_ALERT_CHANNEL", default="").strip()
if _alert_webhook_url := env.str("SLACK_ALERT_WEBHOOK_URL", default="").strip():
    NOTIFICATIONS_CHANNELS["ALERTS"] = NOTIFICATIONS_CHANNELS["SLACK"] | {
        "token": "",
        "webhook_url": _alert_webhook_url,
    }
elif SLACK_ALERT_CHANNEL:
    NOTIFICATIONS_CHANNELS["ALERTS"] = NOTIFICATIONS_CHANNELS["SLACK"] | {"channel": SLACK_ALERT_CHANNEL}
NOTIFICATIONS_ALERT_CHANNEL = "ALERTS" if "ALERTS" in NOTIFICATIONS_CHANNELS else "SLACK"
if _webhook_url := env.str("WEBHOOK_URL", default=""):
    NOTIFICATIONS_CHANNELS["WEBHOOK"] = {
        "class": "notifications.channels.webhook.Webhook",
        "url": _webhook_url,
        "secret": env.str("WEBHOOK_SECRET", default=""),
    }
