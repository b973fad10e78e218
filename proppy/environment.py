"""What settings.py makes of the environment. What cannot be read says which variable, and what to write instead."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

DATABASE_SCHEMES: Final = ("sqlite", "postgres", "postgresql", "psql", "pgsql")
#: A server that is gone is found out within seconds. Names of libpq; the times are seconds, but for tcp_user_timeout.
POSTGRESQL: Final = {
    "connect_timeout": 2,
    "tcp_user_timeout": 5000,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    # Prepared statements for what runs often. Behind a PgBouncer before 1.21: ?prepare_threshold=null
    "prepare_threshold": 5,
    # Milliseconds. A table that somebody has locked must not hang requests.
    "options": "-c lock_timeout=3000",
}
_DATABASE: Final = (
    "DATABASE_URL: write sqlite:////path/of/a/file or postgres://user:password@host/name, "
    "with a port that is a number, and with %2F for / and so on in a password."
)
_MAIL: Final = (
    "EMAIL_URL: write smtp+tls://user:password@host:587 or consolemail://, "
    "with a port that is a number, and with %2F for / and so on in a password."
)


class _Variables(FileAwareMapping):  # type: ignore[misc]  # django-environ has no types
    """Environment variables; NAME_FILE names a file with the value of NAME, whose last line may end."""

    def __getitem__(self, name: str) -> str:
        try:
            value: str = super().__getitem__(name)
        except (OSError, UnicodeError) as error:
            advice = f"name a file of text that this user may read, or set {name} itself."
            raise ImproperlyConfigured(f"{name}_FILE cannot be read ({error}): {advice}") from error
        return value.rstrip("\r\n")


class Env(environ.FileAwareEnv):  # type: ignore[misc]  # django-environ has no types
    """The environment. Raises ImproperlyConfigured where a NAME_FILE cannot be read."""

    ENVIRON = _Variables()


def database(url: str, base_dir: Path) -> dict[str, Any]:
    """The entry of DATABASES. The name of a SQLite file is relative to `base_dir`; options in the URL win over ours.

    Raises ImproperlyConfigured, without the URL: there may be a password in it.
    """
    try:
        parts = urlsplit(url)
        # In sqlite://var/db.sqlite3 "var" would be a host, and be left out.
        if parts.scheme not in DATABASE_SCHEMES or (parts.scheme == "sqlite" and parts.netloc not in {"", ":memory:"}):
            raise ImproperlyConfigured(_DATABASE)
        config: dict[str, Any] = Env.db_url_config(url)
    except ValueError:
        raise ImproperlyConfigured(_DATABASE) from None
    options = config.setdefault("OPTIONS", {})
    if parts.scheme != "sqlite":
        config["OPTIONS"] = POSTGRESQL | options
        if options.get("prepare_threshold") == "null":
            config["OPTIONS"]["prepare_threshold"] = None
    elif config["NAME"] != ":memory:" and not config["NAME"].startswith("file:"):
        config["NAME"] = str(base_dir / config["NAME"])
    return config


def mail(url: str) -> dict[str, Any]:
    """The settings EMAIL_*. Raises ImproperlyConfigured."""
    try:
        if urlsplit(url).scheme not in Env.EMAIL_SCHEMES:
            raise ImproperlyConfigured(_MAIL)
        config: dict[str, Any] = Env.email_url_config(url)
    except ValueError:
        raise ImproperlyConfigured(_MAIL) from None
    return config
