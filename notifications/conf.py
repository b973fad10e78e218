"""The engine's settings, typed. What is wrong with them is said by checks.py, not by a traceback at run time."""

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.files.storage import Storage, storages
from django.core.signals import setting_changed

from notifications.raw.folder_storage import FolderStorage

#: Of each address: many people may be behind one.
UNSIGNED_RATE: Final = "600/minute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where payloads come from: an entry of NOTIFICATIONS_SOURCES."""

    name: str
    #: May it be posted to from outside, at /in/<source>/?
    http: bool = False
    #: A scheme of signatures.py: "standard-webhooks", "stripe", "github", "slack"; "" takes unsigned bodies.
    signature: str = ""
    #: Any one of them makes a signature good, so that a secret can be changed without a gap.
    secrets: tuple[str, ...] = ()
    #: What becomes of a bad signature: "reject" answers 401; "quarantine" keeps the payload, unhandled, so that it can
    #: be verified again once a wrong secret was mended (bodies up to 256 kB; larger ones are rejected).
    bad_signature: str = "reject"
    #: Payloads that may be in quarantine; more are rejected.
    max_quarantined: int = 1000
    #: Seconds by which a signed time may differ from ours.
    tolerance: int = 300
    #: Bytes; None takes NOTIFICATIONS_RAW_MAX_BODY_BYTES.
    max_body_bytes: int | None = None
    #: The header that names a repeated request.
    key_header: str = "Idempotency-Key"
    #: Path of the page that browsers are sent to, with ?receipt= added; "" answers JSON to everybody.
    redirect: str = ""
    #: Posts that one address may send before it is answered 429, such as "120/minute", in each process; "" is no
    #: limit, None is UNSIGNED_RATE where anybody can post: at /in/<source>/, without a signature.
    rate: str | None = None
    #: Payloads that may wait before /in/<source>/ answers 429; 0 is no limit.
    max_waiting: int = 0
    #: Bytes of bodies that may wait before it answers 429; 0 is no limit.
    max_waiting_bytes: int = 0
    #: Days that prune_raw keeps what is done, dead, or in quarantine; None keeps it for good.
    keep_done_days: float | None = 30
    keep_dead_days: float | None = None
    keep_quarantined_days: float | None = None
    #: How often a payload is tried before it is dead.
    max_attempts: int = 16
    #: Seconds that a handler may take.
    lease: float = 60.0

    @property
    def body_limit(self) -> int:
        """The largest body that is taken, in bytes."""
        return conf.raw_max_body_bytes if self.max_body_bytes is None else self.max_body_bytes

    @property
    def rate_limit(self) -> str:
        """The rate that holds; "" is no limit."""
        if self.rate is None:
            return UNSIGNED_RATE if self.http and not self.signature else ""
        return self.rate


@dataclass(frozen=True, slots=True)
class ChannelConf:
    """An entry of NOTIFICATIONS_CHANNELS: the class that delivers, and its options."""

    name: str
    class_path: str
    options: dict[str, Any] = field(default_factory=dict)


@cache
def _path(path: str | Path) -> Path:
    return Path(path)


@cache
def _folder_storage(path: Path) -> Storage:
    return FolderStorage(path)


@cache
def _sources() -> dict[str, Source]:
    entries = getattr(settings, "NOTIFICATIONS_SOURCES", {})
    return {name: Source(name=name, **_frozen(options)) for name, options in entries.items()}


def _frozen(options: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}


@cache
def _channels() -> dict[str, ChannelConf]:
    entries = getattr(settings, "NOTIFICATIONS_CHANNELS", {})
    return {
        name: ChannelConf(name, options["class"], {k: v for k, v in options.items() if k != "class"})
        for name, options in entries.items()
    }


class Conf:
    """Read at each access, so that `override_settings` works."""

    @property
    def state_dir(self) -> Path:
        """Folder of spool, locks, wake-up sockets and the file journal."""
        return _path(getattr(settings, "NOTIFICATIONS_STATE_DIR", "var"))

    @property
    def journal_url(self) -> str:
        """auto, journald://, journald://NAMESPACE, file:///path or memory://"""
        return getattr(settings, "NOTIFICATIONS_JOURNAL_URL", "auto")

    @property
    def text_journal_url(self) -> str:
        """Where plain lines "SLACK: …" of other programs are read; "" takes the machine's, where journald is used."""
        return getattr(settings, "NOTIFICATIONS_TEXT_JOURNAL_URL", "")

    @property
    def raw_max_body_bytes(self) -> int:
        """The largest body that is taken, in bytes, where a source says nothing else."""
        return getattr(settings, "NOTIFICATIONS_RAW_MAX_BODY_BYTES", 10 * 1024 * 1024)

    @property
    def spool_max_bytes(self) -> int:
        """Bytes that may wait in the spool while the database is away."""
        return getattr(settings, "NOTIFICATIONS_SPOOL_MAX_BYTES", 1024 * 1024 * 1024)

    @property
    def min_free_bytes(self) -> int:
        """Bytes that stay free on the disk of `state_dir`: below it nothing is taken, while that can still be said."""
        return getattr(settings, "NOTIFICATIONS_MIN_FREE_BYTES", 128 * 1024 * 1024)

    @property
    def body_storage(self) -> Storage:
        """Where large bodies are; shared by all machines, and by nothing but one database."""
        alias = self.body_storage_alias
        return storages[alias] if alias else _folder_storage(self.state_dir / "bodies")

    @property
    def body_storage_alias(self) -> str:
        """Its alias in STORAGES; "" is a folder in `state_dir`."""
        return getattr(settings, "NOTIFICATIONS_BODY_STORAGE", "")

    @property
    def trusted_uids(self) -> frozenset[int]:
        """Users whose events are believed: the one of this process, and root, whom nothing could stop anyway."""
        return frozenset(getattr(settings, "NOTIFICATIONS_TRUSTED_UIDS", (os.getuid(), 0)))

    @property
    def metrics_interval(self) -> float:
        """Seconds between two REPORT events of the request statistics."""
        return getattr(settings, "NOTIFICATIONS_METRICS_INTERVAL", 60.0)

    @property
    def status_token(self) -> str:
        """Bearer token for /readyz and /metrics from other machines; "" answers to this machine alone."""
        return getattr(settings, "NOTIFICATIONS_STATUS_TOKEN", "")

    @property
    def trusted_proxies(self) -> tuple[str, ...]:
        """Addresses or networks whose X-Forwarded-For is believed."""
        return tuple(getattr(settings, "NOTIFICATIONS_TRUSTED_PROXIES", ()))

    @property
    def rate_limits(self) -> bool:
        """Whether rate limits refuse anything, those of sources and all others."""
        return bool(getattr(settings, "NOTIFICATIONS_RATE_LIMITS", True))

    @property
    def alert_channel(self) -> str:
        """The channel that is told of units that failed."""
        return getattr(settings, "NOTIFICATIONS_ALERT_CHANNEL", "SLACK")

    @property
    def alert_log_units(self) -> frozenset[str]:
        """Units whose last log lines are told with their failure: there may be secrets in others."""
        return frozenset(getattr(settings, "NOTIFICATIONS_ALERT_LOG_UNITS", ()))

    @property
    def notify_socket(self) -> str:
        """Where systemd wants to hear that a worker is ready and turns; "" where it is not its service."""
        return getattr(settings, "NOTIFICATIONS_NOTIFY_SOCKET", "")

    @property
    def follower_unit(self) -> str:
        """The unit that runs follow_journal: its failure cannot wait for it."""
        return getattr(settings, "NOTIFICATIONS_FOLLOWER_UNIT", "proppy-follow-journal.service")

    @property
    def sources(self) -> dict[str, Source]:
        """NOTIFICATIONS_SOURCES by name."""
        return _sources()

    def source(self, name: str) -> Source:
        """The source of this name; one that is configured no more has the defaults."""
        return _sources().get(name) or Source(name=name)

    @property
    def channels(self) -> dict[str, ChannelConf]:
        """NOTIFICATIONS_CHANNELS by name."""
        return _channels()


conf = Conf()


def _forget(*, setting: str, **_: Any) -> None:
    if setting.startswith("NOTIFICATIONS_"):
        _sources.cache_clear()
        _channels.cache_clear()


setting_changed.connect(_forget, dispatch_uid="notifications.conf")
