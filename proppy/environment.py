"""Parses the environment for settings.py. Errors name the variable, and what to write instead."""

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from proppy import strict_values

#: The unit's LoadCredential= prefixes the names of the folder's files with this.
CREDENTIAL: Final = "proppy_"
DATABASE_SCHEMES: Final = ("sqlite", "postgres", "postgresql", "psql", "pgsql")
#: Detects within seconds that a server is gone. libpq's names; times in seconds, tcp_user_timeout in milliseconds.
POSTGRESQL: Final = {
    "connect_timeout": 2,
    "tcp_user_timeout": 5000,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    # Prepares statements that run often. Behind PgBouncer in transaction mode: ?prepare_threshold=null
    "prepare_threshold": 5,
    # TimeZone: Django would set it by a statement without a time limit. lock_timeout (ms): a locked table must not hang
    # requests. Keepalives: the server notices within seconds that this machine is gone, whose transactions hold locks
    # until then; its default is two hours.
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
#: Options that libpq or psycopg take as numbers; the last may be null, too.
_NUMBERS: Final = (
    *("connect_timeout", "tcp_user_timeout", "keepalives", "keepalives_idle", "keepalives_interval"),
    *("keepalives_count", "prepare_threshold"),
)
#: Of psycopg and Django; all others are libpq's.
_NOT_LIBPQ: Final = frozenset({"prepare_threshold", "pool", "assume_role", "isolation_level", "server_side_binding"})
_ATTRIBUTES: Final = f"DATABASE_URL: target_session_attrs is one of {', '.join(SESSION_ATTRIBUTES)}."
_MAIL: Final = (
    "EMAIL_URL: write smtp+tls://user:password@host:587 or consolemail://, "
    "with a port that is a number, and with %2F for / and so on in a password."
)


class Variables(FileAwareMapping):  # type: ignore[misc]  # django-environ has no types
    """Environment variables; NAME_FILE names a file with the value of NAME. Trailing line ends are removed.

    If both are missing, systemd's credential proppy_NAME is the value (`LoadCredential=proppy:FOLDER`).
    """

    def __getitem__(self, name: str) -> str:
        try:
            value: str = super().__getitem__(name)
        except KeyError:
            value = self._credential(name)
        except (OSError, UnicodeError) as error:
            advice = f"name a text file that this user may read, or set {name} itself."
            raise ImproperlyConfigured(f"{name}_FILE cannot be read ({error}): {advice}") from error
        return value.rstrip("\r\n")

    def _credential(self, name: str) -> str:
        """Raises KeyError if systemd passed none."""
        folder = self.env.get("CREDENTIALS_DIRECTORY")
        if not folder or not name.isidentifier():
            raise KeyError(name)
        try:
            return (Path(folder) / f"{CREDENTIAL}{name}").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise KeyError(name) from None
        except (OSError, UnicodeError) as error:
            raise ImproperlyConfigured(f"The credential {name} cannot be read ({error}): write a text file.") from error


class Env(environ.FileAwareEnv):  # type: ignore[misc]  # django-environ has no types
    """The environment. Raises ImproperlyConfigured if a NAME_FILE cannot be read, or a value is not what it should be.

    django-environ's own bool() takes each unknown word for false.
    """

    ENVIRON = Variables()

    def boolean(self, name: str, *, default: bool) -> bool:
        return strict_values.boolean(name, self.str(name, default=""), default=default)

    def number(self, name: str, *, default: int, least: int = 0) -> int:
        return strict_values.number(name, self.str(name, default=""), default=default, least=least)

    def web_address(self, name: str) -> str:
        """A server's URL, or ""."""
        return strict_values.web_address(name, self.str(name, default=""))

    def allowed_hosts(self, name: str, *, default: list[str]) -> list[str]:
        return strict_values.allowed_hosts(name, self.str(name, default="").split(",")) or default


def database(url: str, base_dir: Path) -> dict[str, Any]:
    """The entry of DATABASES. A SQLite file's name is relative to `base_dir`; options in the URL override ours.

    Of several PostgreSQL hosts, the one that takes writes is used, unless `target_session_attrs` says otherwise.
    Raises ImproperlyConfigured, without the URL, which may contain a password.
    """
    try:
        parts = urlsplit(url)
        # In sqlite://var/db.sqlite3 "var" would be a host, and ignored.
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
        _check_options(config["OPTIONS"])
        if not config["NAME"] and "service" not in options:
            raise ImproperlyConfigured(_DATABASE)
    elif config["NAME"] != ":memory:" and not config["NAME"].startswith("file:"):
        config["NAME"] = str(base_dir / config["NAME"])
    return config


def _check_options(options: dict[str, Any]) -> None:
    """libpq would refuse them at each connection, which looks like a database that is away."""
    from psycopg import ProgrammingError, conninfo  # only where there is a PostgreSQL

    for name in _NUMBERS:
        if not isinstance(options[name], int | None):
            raise ImproperlyConfigured(
                f"DATABASE_URL: {name} is {options[name]!r}: write a whole number, such as {name}={POSTGRESQL[name]}."
            )
    try:
        conninfo.make_conninfo(**{name: value for name, value in options.items() if name not in _NOT_LIBPQ})
    except ProgrammingError as error:  # it names the option
        why = str(error).strip()
        raise ImproperlyConfigured(f"DATABASE_URL: {why}: write options of libpq, such as ?sslmode=require.") from None


def _split_hosts(url: str) -> tuple[str, dict[str, str]]:
    """The URL with one host instead of several, and those as HOST and PORT, comma-separated for libpq.

    django-environ would give one host's port to all of them, and keep the brackets of IPv6. Raises
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
    if config["EMAIL_BACKEND"] == Env.EMAIL_SCHEMES["smtp"] and not config["EMAIL_HOST"]:
        raise ImproperlyConfigured(_MAIL)
    return config
