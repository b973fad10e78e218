"""What settings.py makes of the environment. What cannot be read says which variable, and what to write instead."""

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

#: What the unit's LoadCredential= puts before the names of the folder's files.
CREDENTIAL: Final = "proppy_"
DATABASE_SCHEMES: Final = ("sqlite", "postgres", "postgresql", "psql", "pgsql")
#: A server that is gone is found out within seconds. Names of libpq; the times are seconds, but for tcp_user_timeout.
POSTGRESQL: Final = {
    "connect_timeout": 2,
    "tcp_user_timeout": 5000,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    # Prepared statements for what runs often. Behind a PgBouncer in transaction mode: ?prepare_threshold=null
    "prepare_threshold": 5,
    # Milliseconds: a table that somebody has locked must not hang requests. And the server finds out within seconds
    # that this machine is gone, whose transactions hold locks until then; its own default is two hours.
    # In UTC from the start: Django would set that by a statement, which no time limit holds for.
    "options": "-c TimeZone=UTC -c lock_timeout=3000"
    " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3",
}
POSTGRESQL_ENGINE: Final = "notifications.backends.postgresql"
POSTGRESQL_PORT: Final = "5432"
SESSION_ATTRIBUTES: Final = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
_DATABASE: Final = (
    "DATABASE_URL: write sqlite:////path/of/a/file or postgres://user:password@host/name, "
    "with a port that is a number, and with %2F for / and so on in a password."
)
_HOSTS: Final = (
    "DATABASE_URL: write several hosts as postgres://user:password@host1:5432,host2:5432/name, "
    "each port a number from 1 to 65535, with %2F for / and so on in a password."
)
_HOST: Final = re.compile(r"(\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<name>[^\[\]:]+))(:(?P<port>[0-9]{1,5}))?")
_ATTRIBUTES: Final = f"DATABASE_URL: target_session_attrs is one of {', '.join(SESSION_ATTRIBUTES)}."
_MAIL: Final = (
    "EMAIL_URL: write smtp+tls://user:password@host:587 or consolemail://, "
    "with a port that is a number, and with %2F for / and so on in a password."
)


class _Variables(FileAwareMapping):  # type: ignore[misc]  # django-environ has no types
    """Environment variables; NAME_FILE names a file with the value of NAME, whose last line may end.

    Where there is neither, a credential proppy_NAME from systemd is the value (`LoadCredential=proppy:FOLDER`).
    """

    def __getitem__(self, name: str) -> str:
        try:
            value: str = super().__getitem__(name)
        except KeyError:
            value = self._credential(name)
        except (OSError, UnicodeError) as error:
            advice = f"name a file of text that this user may read, or set {name} itself."
            raise ImproperlyConfigured(f"{name}_FILE cannot be read ({error}): {advice}") from error
        return value.rstrip("\r\n")

    def _credential(self, name: str) -> str:
        """Raises KeyError where systemd has handed over none."""
        folder = self.env.get("CREDENTIALS_DIRECTORY")
        if not folder or not name.isidentifier():
            raise KeyError(name)
        try:
            return (Path(folder) / f"{CREDENTIAL}{name}").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise KeyError(name) from None
        except (OSError, UnicodeError) as error:
            raise ImproperlyConfigured(
                f"The credential {name} cannot be read ({error}): write a file of text."
            ) from error


class Env(environ.FileAwareEnv):  # type: ignore[misc]  # django-environ has no types
    """The environment. Raises ImproperlyConfigured where a NAME_FILE cannot be read."""

    ENVIRON = _Variables()


def database(url: str, base_dir: Path) -> dict[str, Any]:
    """The entry of DATABASES. The name of a SQLite file is relative to `base_dir`; options in the URL win over ours.

    PostgreSQL may have several hosts: of them that one is used which takes writes, unless `target_session_attrs` says
    otherwise. Raises ImproperlyConfigured, without the URL: there may be a password in it.
    """
    try:
        parts = urlsplit(url)
        # In sqlite://var/db.sqlite3 "var" would be a host, and be left out.
        if parts.scheme not in DATABASE_SCHEMES or (parts.scheme == "sqlite" and parts.netloc not in {"", ":memory:"}):
            raise ImproperlyConfigured(_DATABASE)
        url, hosts = _split_hosts(url) if parts.scheme != "sqlite" else (url, {})
        config: dict[str, Any] = Env.db_url_config(url) | hosts
    except ValueError:
        raise ImproperlyConfigured(_DATABASE) from None
    options = config.setdefault("OPTIONS", {})
    if parts.scheme != "sqlite":
        config["ENGINE"] = POSTGRESQL_ENGINE
        config["OPTIONS"] = POSTGRESQL | ({"target_session_attrs": "read-write"} if hosts else {}) | options
        if config["OPTIONS"].get("target_session_attrs", "any") not in SESSION_ATTRIBUTES:
            raise ImproperlyConfigured(_ATTRIBUTES)
        if options.get("prepare_threshold") == "null":
            config["OPTIONS"]["prepare_threshold"] = None
    elif config["NAME"] != ":memory:" and not config["NAME"].startswith("file:"):
        config["NAME"] = str(base_dir / config["NAME"])
    return config


def _split_hosts(url: str) -> tuple[str, dict[str, str]]:
    """The URL with one host in place of several, and those as HOST and PORT, comma-separated as libpq takes them.

    django-environ gives a port that one host has to all of them, and leaves the brackets of IPv6. Raises
    ImproperlyConfigured.
    """
    start = url.index("://") + len("://")
    end = min((found for sign in "/?#" if (found := url.find(sign, start)) >= 0), default=len(url))
    user, at, hosts = url[start:end].rpartition("@")
    if "," not in hosts:
        return url, {}
    pairs = [_host_and_port(host) for host in hosts.split(",")]
    return (
        f"{url[:start]}{user}{at}localhost{url[end:]}",
        {"HOST": ",".join(host for host, _ in pairs), "PORT": ",".join(port for _, port in pairs)},
    )


def _host_and_port(text: str) -> tuple[str, str]:
    match = _HOST.fullmatch(text)
    if match is None or not 0 < int(match["port"] or POSTGRESQL_PORT) < 65536:
        raise ImproperlyConfigured(_HOSTS)
    return unquote(match["ipv6"] or match["name"]), match["port"] or POSTGRESQL_PORT


def mail(url: str) -> dict[str, Any]:
    """The settings EMAIL_*. Raises ImproperlyConfigured."""
    try:
        if urlsplit(url).scheme not in Env.EMAIL_SCHEMES:
            raise ImproperlyConfigured(_MAIL)
        config: dict[str, Any] = Env.email_url_config(url)
    except ValueError:
        raise ImproperlyConfigured(_MAIL) from None
    return config
