"""The engine's settings, typed. checks/settings.py reports mistakes in them."""

import logging
import os
import sys
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from django.conf import settings
from django.core.signals import setting_changed
from django.db import DEFAULT_DB_ALIAS

from notifications.utils.clean_text import clean
from notifications.utils.setting_rules import RULES, is_whole

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Per client address, which many people may share.
UNSIGNED_RATE: Final = "600/minute"

#: All that the engine makes in `state_dir`.
STATE_NAMES: Final = (
    *("spool", "spool.bytes", "locks", "workers", "wake", "database-away", "bodies", "bodies-to-delete"),
    *("journal", "journal-auto", "journald", "machine-id", "alerts", "replays", "heartbeats"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where payloads come from: an entry of NOTIFICATIONS_SOURCES."""

    name: str
    #: Whether /in/<source>/ takes posts from outside.
    http: bool = False
    #: A scheme of http/signatures.py: "standard-webhooks", "stripe", "github", "slack"; "" takes unsigned bodies.
    signature: str = ""
    #: A signature by any of them is valid, so that a secret can be replaced.
    secrets: tuple[str, ...] = ()
    #: On a bad signature: "reject" answers 401; "quarantine" stores the payload, to be verified again after a wrong
    #: secret was corrected (bodies up to 256 kB; larger ones are rejected).
    bad_signature: str = "reject"
    #: The most payloads in quarantine; more are rejected.
    max_quarantined: int = 1000
    #: Seconds by which a signed time may differ from ours.
    tolerance: int = 300
    #: Bytes; None means NOTIFICATIONS_RAW_MAX_BODY_BYTES.
    max_body_bytes: int | None = None
    #: The header that identifies a repeated request.
    key_header: str = "Idempotency-Key"
    #: Path that browsers are redirected to, with ?receipt= added; "" answers JSON to everybody.
    redirect: str = ""
    #: Posts allowed per client address and process, such as "120/minute"; more are answered 429. "" is no limit. None
    #: is UNSIGNED_RATE if anybody can post: at /in/<source>/, without a signature.
    rate: str | None = None
    #: Payloads that may wait before /in/<source>/ answers 429; 0 is no limit.
    max_waiting: int = 0
    #: Bytes of bodies that may wait before it answers 429; 0 is no limit.
    max_waiting_bytes: int = 0
    #: Days that prune_raw keeps done, dead or quarantined payloads; None keeps them for good.
    keep_done_days: float | None = 30
    keep_dead_days: float | None = None
    keep_quarantined_days: float | None = None
    #: Failed attempts after which a payload is dead.
    max_attempts: int = 16
    #: Seconds that a handler may take.
    lease: float = 60.0
    #: The address of a page that says what to do when it fails; the pages of its failure groups link to it.
    runbook: str = ""

    @property
    def body_limit(self) -> int:
        """The largest accepted body, in bytes."""
        limit = self.max_body_bytes
        return limit if limit is not None and is_whole(limit, 1) else conf.raw_max_body_bytes

    @property
    def rate_limit(self) -> str:
        """The rate in effect; "" is no limit."""
        if self.rate is None:
            return UNSIGNED_RATE if self.http and not self.signature else ""
        return self.rate


@dataclass(frozen=True, slots=True)
class ChannelConf:
    """An entry of NOTIFICATIONS_CHANNELS: the class that delivers, and its options."""

    name: str
    class_path: str
    options: dict[str, Any] = field(default_factory=dict)


def _read(of: Any, name: str, default: T) -> T:
    """A setting; the default instead of a value that cannot be meant. `manage.py check` reports it, and the log."""
    value: T = getattr(of, name, default)
    if value is default or value is RIGHT.get(name, _UNKNOWN):
        return value
    is_right, hint = RULES[name.removeprefix("NOTIFICATIONS_")]
    if not is_right(value):
        _say_wrong(name, hint)
        return default
    RIGHT[name] = value
    return value


#: The last value of a setting that was right: a request reads many, and none changes but in tests.
RIGHT: Final[dict[str, Any]] = {}
_UNKNOWN: Final = object()


@cache
def _say_wrong(name: str, hint: str) -> None:
    logger.error("%s is wrong, and its default is used. %s", name, hint)


@cache
def _path(path: str | Path) -> Path:
    return Path(path)


@cache
def _database() -> str:
    return _read(settings, "NOTIFICATIONS_DATABASE", DEFAULT_DB_ALIAS)


@cache
def _sources() -> dict[str, Source]:
    entries: dict[str, Any] = _read(settings, "NOTIFICATIONS_SOURCES", {})
    return {name: _source(name, options) for name, options in entries.items()}


def _source(name: str, options: Any) -> Source:
    """Its known options. What is wrong with them http/source_rules.py knows: then nothing is stored for it."""
    known = {each.name for each in fields(Source)} - {"name"}
    given = options if isinstance(options, dict) else {}
    taken: dict[str, Any] = {key: given[key] for key in known & given.keys()}
    taken |= {key: tuple(value) for key, value in taken.items() if isinstance(value, list)}
    return Source(name=name, **taken)


@cache
def _channels() -> dict[str, ChannelConf]:
    entries: dict[str, Any] = _read(settings, "NOTIFICATIONS_CHANNELS", {})
    return {
        name: ChannelConf(name, options["class"], {k: v for k, v in options.items() if k != "class"})
        for name, options in entries.items()
        if isinstance(options, dict) and "class" in options
    }


_has_run_tests = False


def runs_tests() -> bool:
    """Whether Django's test environment is or was set up here: what a test emits must not reach people.

    A process that has run tests also writes its END, which counts their events, where those are.
    """
    global _has_run_tests
    utils: Any = sys.modules.get("django.test.utils")
    _has_run_tests = _has_run_tests or (hasattr(utils, "_TestState") and hasattr(utils._TestState, "saved_data"))
    return _has_run_tests


class Conf:
    """Read at each access, so that `override_settings` works."""

    @property
    def state_dir(self) -> Path:
        """Folder of spool, locks, wake-up sockets and the file journal."""
        return _path(_read(settings, "NOTIFICATIONS_STATE_DIR", "var"))

    @property
    def database(self) -> str:
        """The alias in DATABASES of the one database that the engine uses, whatever routers say."""
        return _database()

    @property
    def journal_url(self) -> str:
        """auto, journald://, journald://NAMESPACE, file:///path or memory://. In tests auto is memory://."""
        url = _read(settings, "NOTIFICATIONS_JOURNAL_URL", "auto")
        return "memory://" if url == "auto" and runs_tests() else url

    @property
    def text_journal_url(self) -> str:
        """Where to read plain lines "SLACK: …" of other programs; "" is the machine's journal, if journald is used."""
        return _read(settings, "NOTIFICATIONS_TEXT_JOURNAL_URL", "")

    @property
    def raw_max_body_bytes(self) -> int:
        """The largest accepted body, in bytes, unless its source has a limit."""
        return _read(settings, "NOTIFICATIONS_RAW_MAX_BODY_BYTES", 10 * 1024 * 1024)

    @property
    def gate(self) -> str | bool:
        """Whether posts are answered in front of Django: True, False, or "auto" where that changes no answer."""
        return _read(settings, "NOTIFICATIONS_GATE", "auto")

    @property
    def spool_max_bytes(self) -> int:
        """Bytes that may wait in the spool while the database is away."""
        return _read(settings, "NOTIFICATIONS_SPOOL_MAX_BYTES", 1024 * 1024 * 1024)

    @property
    def min_free_bytes(self) -> int:
        """Free bytes on the disk of `state_dir` below which intake answers 503."""
        return _read(settings, "NOTIFICATIONS_MIN_FREE_BYTES", 128 * 1024 * 1024)

    @property
    def body_storage_alias(self) -> str:
        """The alias in STORAGES for large bodies; "" is a folder in `state_dir`.

        All machines share the storage, and only one database uses it.
        """
        return _read(settings, "NOTIFICATIONS_BODY_STORAGE", "")

    @property
    def trusted_uids(self) -> frozenset[int]:
        """Users whose events are trusted: that of this process, and root."""
        return frozenset(_read(settings, "NOTIFICATIONS_TRUSTED_UIDS", (os.getuid(), 0)))

    @property
    def metrics_interval(self) -> float:
        """Seconds between two reports of the request statistics."""
        return _read(settings, "NOTIFICATIONS_METRICS_INTERVAL", 60.0)

    @property
    def metrics_url(self) -> str:
        """statsd://host:port/prefix: a server that gets the request statistics too; "" is none."""
        return _read(settings, "NOTIFICATIONS_METRICS_URL", "")

    @property
    def status_token(self) -> str:
        """Bearer token for /readyz and /metrics from other machines; "" answers only this machine."""
        return _read(settings, "NOTIFICATIONS_STATUS_TOKEN", "")

    @property
    def trusted_proxies(self) -> tuple[str, ...]:
        """Addresses or networks whose X-Forwarded-For is trusted."""
        return tuple(_read(settings, "NOTIFICATIONS_TRUSTED_PROXIES", ()))

    @property
    def https_proxy(self) -> str:
        """http://host:port: the proxy for the channels' HTTPS to others; "" is none. It may have a password."""
        return _read(settings, "NOTIFICATIONS_HTTPS_PROXY", "")

    @property
    def no_proxy(self) -> tuple[str, ...]:
        """Hosts that are reached without it: names with all below them, addresses, networks, or *; perhaps :port."""
        return tuple(_read(settings, "NOTIFICATIONS_NO_PROXY", ()))

    @property
    def rate_limits(self) -> bool:
        """Whether rate limits are on: those of sources and all others."""
        return _read(settings, "NOTIFICATIONS_RATE_LIMITS", True)

    @property
    def alert_channel(self) -> str:
        """The channel that failed units are reported to."""
        return _read(settings, "NOTIFICATIONS_ALERT_CHANNEL", "SLACK")

    @property
    def alert_log_units(self) -> frozenset[str]:
        """Units whose last log lines are sent with their failure. Those of other units may have secrets."""
        return frozenset(_read(settings, "NOTIFICATIONS_ALERT_LOG_UNITS", ()))

    @property
    def site_url(self) -> str:
        """https://host: where people open the site, for links in messages; "" makes none."""
        return _read(settings, "NOTIFICATIONS_SITE_URL", "")

    @property
    def heartbeat_url(self) -> str:
        """Requested each minute while there is no critical problem; "" is none. It may have a secret."""
        return _read(settings, "NOTIFICATIONS_HEARTBEAT_URL", "")

    @property
    def notify_socket(self) -> str:
        """Where a worker reports to systemd that it is ready and alive; "" if systemd did not start it."""
        return _read(settings, "NOTIFICATIONS_NOTIFY_SOCKET", "")

    @property
    def release(self) -> str:
        """What people call the code that runs, such as "1.4.0" or a commit: attempts and failure groups name it."""
        return clean(_read(settings, "NOTIFICATIONS_RELEASE", ""))

    @property
    def follower_unit(self) -> str:
        """The unit that runs follow_journal: its own failure is posted directly; "" if none is known."""
        return _read(settings, "NOTIFICATIONS_FOLLOWER_UNIT", "")

    @property
    def sources(self) -> dict[str, Source]:
        """NOTIFICATIONS_SOURCES by name."""
        return _sources()

    def source(self, name: str) -> Source:
        """The source of this name; one that is no longer configured has the defaults."""
        return _sources().get(name) or Source(name=name)

    @property
    def channels(self) -> dict[str, ChannelConf]:
        """NOTIFICATIONS_CHANNELS by name."""
        return _channels()


conf = Conf()


def _clear_caches(*, setting: str, **_: Any) -> None:
    if setting.startswith("NOTIFICATIONS_"):
        _say_wrong.cache_clear()
        _database.cache_clear()
        _sources.cache_clear()
        _channels.cache_clear()


setting_changed.connect(_clear_caches, dispatch_uid="notifications.conf")
