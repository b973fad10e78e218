"""System checks of settings: each likely mistake, and what to write instead.

They read the raw settings and open nothing, so that `manage.py check` works before there is a database.
"""

import os
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.db import connections
from django.utils.module_loading import import_string

from notifications import sqlite
from notifications.channels.base import Channel
from notifications.checks.databases import engine_options, vendor
from notifications.checks.handlers import load_handlers
from notifications.conf import conf
from notifications.events.event import NAME, RESERVED
from notifications.handlers import event_handlers
from notifications.http.source_rules import problems_of
from notifications.http.statsd_server import parse_url as parse_metrics_url
from notifications.journal import parse_url
from notifications.utils.setting_rules import RULES, is_network


def check_journal(**_: Any) -> list[CheckMessage]:
    """Addresses of journals."""
    messages: list[CheckMessage] = []
    for setting, instead in (("JOURNAL_URL", "auto"), ("TEXT_JOURNAL_URL", "")):
        url = getattr(settings, f"NOTIFICATIONS_{setting}", instead)
        if url != instead and (problem := _journal_problem(url)):
            hint = f"Write journald://, journald://NAMESPACE, file:///path, memory:// or {instead or 'nothing'}."
            messages.append(Error(f"NOTIFICATIONS_{setting}: {problem}.", hint=hint, id="notifications.E001"))
    return messages


def _journal_problem(url: Any) -> str:
    if not isinstance(url, str) or url == "auto":  # only JOURNAL_URL may be "auto"
        return f"{url!r} is not a journal"
    try:
        parse_url(url)
    except ValueError as error:
        return str(error)
    return ""


def check_state_dir(**_: Any) -> list[CheckMessage]:
    """The folder of spool, locks and the file journal."""
    folder = conf.state_dir
    if not folder.is_absolute():
        hint = "Write an absolute path: site and workers must find the same folder."
        return [Error(f"NOTIFICATIONS_STATE_DIR is {str(folder)!r}.", hint=hint, id="notifications.E002")]
    if os.path.exists(folder) and not folder.is_dir():  # Path's own raises, if a folder above it is not ours to see
        hint = "Name a folder that the service's user owns."
        return [Error(f"NOTIFICATIONS_STATE_DIR {str(folder)!r} is not a folder.", hint=hint, id="notifications.E002")]
    if os.path.isdir(folder) and folder.stat().st_mode & 0o077:
        hint = f"Other users can look into it: chmod 700 {folder}"
        return [
            checks.Warning(
                f"NOTIFICATIONS_STATE_DIR {str(folder)!r} is open to others.", hint=hint, id="notifications.W001"
            )
        ]
    return []


def check_sources(**_: Any) -> list[CheckMessage]:
    """NOTIFICATIONS_SOURCES."""
    messages: list[CheckMessage] = []
    sources = getattr(settings, "NOTIFICATIONS_SOURCES", {})
    if not isinstance(sources, dict):
        hint = 'Write {"name": {…its options}, …}.'
        return [Error("NOTIFICATIONS_SOURCES is not a dictionary.", hint=hint, id="notifications.E003")]
    for name, options in sources.items():
        messages.extend(Error(each.text, hint=each.hint, id=each.id) for each in problems_of(name, options))
    return messages


def check_channels(**_: Any) -> list[CheckMessage]:
    """NOTIFICATIONS_CHANNELS."""
    messages: list[CheckMessage] = []
    channels = getattr(settings, "NOTIFICATIONS_CHANNELS", {})
    if not isinstance(channels, dict):
        hint = 'Write {"NAME": {"class": "path.to.Channel", …its options}, …}.'
        return [Error("NOTIFICATIONS_CHANNELS is not a dictionary.", hint=hint, id="notifications.E007")]
    for name, options in channels.items():
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in RESERVED:
            ours = ", ".join(sorted(RESERVED))
            hint = f"It is the event's name: at most 32 capital letters, digits and _; {ours} are reserved."
            messages.append(Error(f"Channel {name!r} is not a valid name.", hint=hint, id="notifications.E007"))
        elif problem := _channel_problem(name, options):
            hint = "Fix its entry in NOTIFICATIONS_CHANNELS, or what your settings make it of."
            messages.append(Error(f"Channel {name!r}: {problem}", hint=hint, id="notifications.E008"))
    return messages


def check_alert_channel(**_: Any) -> list[CheckMessage]:
    """NOTIFICATIONS_ALERT_CHANNEL."""
    name, channels = conf.alert_channel, getattr(settings, "NOTIFICATIONS_CHANNELS", {})
    if not isinstance(channels, dict) or not channels or name in channels:
        return []
    load_handlers()
    if name in event_handlers:
        return []
    hint = "Name one that people read, or nobody learns of losses and failed units: " + ", ".join(map(str, channels))
    text = f"NOTIFICATIONS_ALERT_CHANNEL is {name!r}, not a channel."
    return [checks.Warning(text, hint=hint, id="notifications.W004")]


def _channel_problem(name: str, options: Any) -> str:
    if not isinstance(options, dict) or "class" not in options:
        return 'its class is missing: write {"class": "path.to.Channel", …its options}.'
    try:
        cls = import_string(options["class"])
        if not (isinstance(cls, type) and issubclass(cls, Channel)):
            return f"{options['class']} is not a Channel."
        cls(name, **{key: value for key, value in options.items() if key != "class"}).close()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        return f"{error}."
    return ""


def check_proxies(**_: Any) -> list[CheckMessage]:
    """NOTIFICATIONS_TRUSTED_PROXIES."""
    proxies = getattr(settings, "NOTIFICATIONS_TRUSTED_PROXIES", ())
    is_right, hint = RULES["TRUSTED_PROXIES"]
    if is_right(proxies):
        return []
    wrong = [each for each in proxies if not is_network(each)] if isinstance(proxies, list | tuple) else proxies
    return [Error(f"NOTIFICATIONS_TRUSTED_PROXIES has {wrong!r}.", hint=hint, id="notifications.E009")]


def check_metrics_url(**_: Any) -> list[CheckMessage]:
    """NOTIFICATIONS_METRICS_URL."""
    url = getattr(settings, "NOTIFICATIONS_METRICS_URL", "")
    try:
        if url != "":
            parse_metrics_url(url)
    except ValueError as error:
        hint = (
            "Write statsd://host:port, such as statsd://127.0.0.1:8125 or statsd://127.0.0.1:8125/prefix, or nothing."
        )
        return [Error(f"NOTIFICATIONS_METRICS_URL: {error}.", hint=hint, id="notifications.E016")]
    return []


def check_connections(**_: Any) -> list[CheckMessage]:
    """Connections to the database: one for each request costs more than the request, and opening may take long."""
    default, found_vendor = engine_options(), vendor()
    options = default.get("OPTIONS", {})
    found: list[CheckMessage] = []
    if default.get("CONN_MAX_AGE") == 0 and not options.get("pool"):
        pool = 'set "pool": {"timeout": 2} in its OPTIONS'
        silence = 'add "notifications.W002" to SILENCED_SYSTEM_CHECKS'
        hint = (
            f'Under WSGI set DATABASES["{conf.database}"]["CONN_MAX_AGE"] = None.'
            f" Under ASGI leave it at 0, and {pool if found_vendor == 'postgresql' else silence}."
        )
        found.append(checks.Warning("A connection is opened for each request.", hint=hint, id="notifications.W002"))
    # libpq has no limit of its own, psycopg's is 130 s.
    if found_vendor == "postgresql" and "connect_timeout" not in options:
        hint = f'Set DATABASES["{conf.database}"]["OPTIONS"]["connect_timeout"] = 2: a request may wait for it.'
        text = "A PostgreSQL that does not answer would hang requests for two minutes."
        found.append(checks.Warning(text, hint=hint, id="notifications.W011"))
    return found


def _wal_reset(message: type[Error] | type[checks.Warning]) -> list[CheckMessage]:
    if vendor() != "sqlite":
        return []
    connection: Any = connections[conf.database]  # which this does not open
    if not sqlite.has_wal_reset_race(connection.Database):
        return []
    hint = (
        "Install the engine with its extra `sqlite` and call notifications.sqlite.use_fixed_sqlite() in settings.py, "
        "or use PostgreSQL. docs/your-project.md says which Python and platform needs what."
    )
    text = "This SQLite can lose committed rows when several processes write (sqlite.org/wal.html#walresetbug)."
    return [message(text, hint=hint, id="notifications.W003" if message is checks.Warning else "notifications.E010")]


def check_sqlite(**_: Any) -> list[CheckMessage]:
    """SQLite's WAL-reset race is a warning on a laptop…"""
    return _wal_reset(checks.Warning)


def check_sqlite_deployed(**_: Any) -> list[CheckMessage]:
    """…and an error in production."""
    return _wal_reset(Error)


CHECKS: Final = (
    check_journal,
    check_state_dir,
    check_sources,
    check_channels,
    check_alert_channel,
    check_proxies,
    check_metrics_url,
    check_connections,
    check_sqlite,
)
DEPLOY_CHECKS: Final = (check_sqlite_deployed,)
