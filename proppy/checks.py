"""System checks of the site's environment variables; the engine's are in notifications/checks/settings.py."""

from collections.abc import Iterator, Sequence
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.db import DatabaseError, InterfaceError, connections

from notifications.utils.clean_text import one_line
from notifications.utils.folder_rights import refused_in
from proppy import mail

SYNCHRONOUS = ("FULL", "NORMAL", "EXTRA", "OFF")


@register()
def check_environment(**_: Any) -> list[CheckMessage]:
    """Each invalid variable, and what to write."""
    return [*_secret_key(), *_allowed_hosts(), *_database(), *_mail(), *_bucket(), *_photos(), *_slack()]


def _secret_key() -> Iterator[CheckMessage]:
    try:
        settings.SECRET_KEY  # noqa: B018  Django raises if it is empty
    except ImproperlyConfigured:
        hint = 'Make one: python -c "import secrets; print(secrets.token_urlsafe(50))"'
        yield Error("SECRET_KEY is empty.", hint=hint, id="proppy.E001")


def _allowed_hosts() -> Iterator[CheckMessage]:
    if not settings.DEBUG and not settings.ALLOWED_HOSTS:
        hint = "Write the site's host names, ALLOWED_HOSTS=www.example.org,example.org, or DEBUG=true on a laptop."
        yield Error("ALLOWED_HOSTS is empty: each request would get a 400.", hint=hint, id="proppy.E004")


def _database() -> Iterator[CheckMessage]:
    if settings.SQLITE_SYNCHRONOUS not in SYNCHRONOUS:
        hint = "Write FULL (a 202 survives a power cut) or NORMAL (faster)."
        yield Error(f"SQLITE_SYNCHRONOUS is {settings.SQLITE_SYNCHRONOUS!r}.", hint=hint, id="proppy.E002")


def _mail() -> Iterator[CheckMessage]:
    address = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    try:
        validate_email(address)
    except ValidationError:
        hint = 'Write DEFAULT_FROM_EMAIL="proppy <proppy@example.org>".'
        yield Error(f"DEFAULT_FROM_EMAIL is {settings.DEFAULT_FROM_EMAIL!r}.", hint=hint, id="proppy.E005")


def _bucket() -> Iterator[CheckMessage]:
    if settings.S3_ENDPOINT_URL and not settings.S3_BUCKET:
        hint = "Name the bucket too, or photos go to a folder: S3_BUCKET=…"
        yield checks.Warning("S3_ENDPOINT_URL is set, but no S3_BUCKET.", hint=hint, id="proppy.W001")


def _photos() -> Iterator[CheckMessage]:
    for refused in () if settings.S3_BUCKET else refused_in(settings.MEDIA_ROOT):
        hint = "Photos cannot be stored, and wait until they can."
        yield Error(f"MEDIA_ROOT: {refused}", hint=hint, id="proppy.E007")


@register(Tags.database)
def check_connection(*, databases: Sequence[str] | None, **_: Any) -> list[CheckMessage]:
    """`check --database default` only: a database that cannot be connected to, which is no reason not to start."""
    messages: list[CheckMessage] = []
    for alias in databases or ():
        try:
            connections[alias].ensure_connection()
        except (DatabaseError, InterfaceError, ImproperlyConfigured) as error:
            hint = "Is DATABASE_URL right, and does its server run? manage.py dbshell tries the same."
            text = f"The database cannot be connected to: {one_line(str(error))}"
            messages.append(Error(text, hint=hint, id="proppy.E006"))
    return messages


@register(deploy=True)
def check_deployment(**_: Any) -> list[CheckMessage]:
    """Each message that goes to the log, where other people read it, or to nobody."""
    return [*_logged_messages(), *_sender()]


def _logged_messages() -> Iterator[CheckMessage]:
    if mail.is_printed():
        hint = "Write EMAIL_URL=smtp+tls://user:password@host:587. Until then no mail is sent."
        yield checks.Warning("Mails, and links in them that sign in, go to the log.", hint=hint, id="proppy.W003")
    slack = _slack_options()
    if slack and not (slack.get("token") or slack.get("webhook_url")):
        hint = "Set SLACK_WEBHOOK_URL or SLACK_TOKEN (docs/slack.md), or read them with journalctl."
        yield checks.Warning("Messages for Slack go to the log.", hint=hint, id="proppy.W004")


def _sender() -> Iterator[CheckMessage]:
    _, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    domain = address.rpartition("@")[2].lower()
    if not mail.is_printed() and "." not in domain.strip("."):
        hint = 'Write DEFAULT_FROM_EMAIL="Shop <shop@example.org>", an address that your mail server may send from.'
        text = f"Mails are from {address or settings.DEFAULT_FROM_EMAIL!r}, and most servers refuse them."
        yield checks.Warning(text, hint=hint, id="proppy.W005")


def _slack() -> Iterator[CheckMessage]:
    token = _slack_options().get("token", "")
    if token and not token.startswith("xox"):
        hint = "Copy the Bot User OAuth Token of the Slack app: it begins with xoxb-."
        yield checks.Warning("SLACK_TOKEN is not a bot's token.", hint=hint, id="proppy.W002")
    if settings.SLACK_ALERT_CHANNEL and _slack_options("ALERTS").get("webhook_url"):
        hint = "Empty it, and write the address of a webhook for that channel: SLACK_ALERT_WEBHOOK_URL=https://…"
        text = "SLACK_ALERT_CHANNEL is for a token: a webhook has its own channel."
        yield Error(text, hint=hint, id="proppy.E008")


def _slack_options(name: str = "SLACK") -> dict[str, Any]:
    options: dict[str, Any] = settings.NOTIFICATIONS_CHANNELS.get(name, {})
    return options
