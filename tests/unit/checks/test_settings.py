"""Each misconfiguration that users will make is named, with what to write instead."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from django.test import override_settings

from notifications import sqlite
from notifications.checks.settings import check_alert_channel, check_channels

#: Sources without handlers, and the other way round: most of these tests have other sources than the site.
MISFITS = {"notifications.W006", "notifications.W009"}


def found(**changed: Any) -> list[CheckMessage]:
    with override_settings(**changed):
        messages = [message for message in run_checks() if str(message.id).startswith("notifications.")]
    assert all(message.hint for message in messages)
    return [message for message in messages if "NOTIFICATIONS_SOURCES" not in changed or message.id not in MISFITS]


def ids(**changed: Any) -> list[str]:
    return [str(message.id) for message in found(**changed)]


def test_the_sites_own_settings_are_right() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("wrong", "id_"),
    [
        ({"NOTIFICATIONS_JOURNAL_URL": "redis://"}, "notifications.E001"),
        ({"NOTIFICATIONS_JOURNAL_URL": "journald"}, "notifications.E001"),
        ({"NOTIFICATIONS_JOURNAL_URL": "file://var/journal"}, "notifications.E001"),
        ({"NOTIFICATIONS_JOURNAL_URL": "file:///"}, "notifications.E001"),
        ({"NOTIFICATIONS_JOURNAL_URL": "file:///a#b"}, "notifications.E001"),
        ({"NOTIFICATIONS_JOURNAL_URL": "file://[/a"}, "notifications.E001"),
        ({"NOTIFICATIONS_JOURNAL_URL": "journald://bad name"}, "notifications.E001"),
        ({"NOTIFICATIONS_JOURNAL_URL": "memory://x"}, "notifications.E001"),
        ({"NOTIFICATIONS_JOURNAL_URL": None}, "notifications.E001"),
        ({"NOTIFICATIONS_TEXT_JOURNAL_URL": "syslog"}, "notifications.E001"),
        ({"NOTIFICATIONS_TEXT_JOURNAL_URL": "auto"}, "notifications.E001"),
        ({"NOTIFICATIONS_TEXT_JOURNAL_URL": "journald://bad name"}, "notifications.E001"),
        ({"NOTIFICATIONS_ALERT_CHANNEL": "SLAK"}, "notifications.W004"),
        (
            {
                "NOTIFICATIONS_CHANNELS": {
                    "SLACK": {"class": "notifications.channels.slack.Slack"},
                    "LOST": {"class": "notifications.channels.report.Report"},
                }
            },
            "notifications.E007",
        ),
        ({"NOTIFICATIONS_STATE_DIR": "var"}, "notifications.E002"),
        ({"NOTIFICATIONS_STATE_DIR": __file__}, "notifications.E002"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"htpp": True}}}, "notifications.E003"),
        ({"NOTIFICATIONS_SOURCES": {"a": None}}, "notifications.E003"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"signature": "sripe", "secrets": ["x"]}}}, "notifications.E004"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"signature": "stripe"}}}, "notifications.E005"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"signature": "stripe", "secrets": [""]}}}, "notifications.E005"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"signature": "stripe", "secrets": "whsec"}}}, "notifications.E005"),
        ({"NOTIFICATIONS_SOURCES": ["a"]}, "notifications.E003"),
        ({"NOTIFICATIONS_SOURCES": {"a/b": {}}}, "notifications.E006"),
        ({"NOTIFICATIONS_SOURCES": {1: {}}}, "notifications.E006"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"signature": ["stripe"]}}}, "notifications.E004"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"signature": "stripe", "secrets": 5}}}, "notifications.E005"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"secrets": ["x"]}}}, "notifications.E005"),
        (
            {"NOTIFICATIONS_SOURCES": {"a": {"signature": "standard-webhooks", "secrets": ["whsec_€"]}}},
            "notifications.E013",
        ),
        ({"NOTIFICATIONS_SOURCES": {"a": {"signature": "stripe", "secrets": ["right", 5]}}}, "notifications.E013"),
        (
            {"NOTIFICATIONS_CHANNELS": {"slack": {"class": "x"}}, "NOTIFICATIONS_ALERT_CHANNEL": "slack"},
            "notifications.E007",
        ),
        ({"NOTIFICATIONS_CHANNELS": {"SLACK": {}}}, "notifications.E008"),
        ({"NOTIFICATIONS_CHANNELS": {"SLACK": {"class": "notifications.channels.slak.Slack"}}}, "notifications.E008"),
        ({"NOTIFICATIONS_CHANNELS": {"SLACK": {"class": "notifications.events.event.Event"}}}, "notifications.E008"),
        (
            {"NOTIFICATIONS_CHANNELS": {"SLACK": {"class": "notifications.channels.slack.Slack", "tokn": "x"}}},
            "notifications.E008",
        ),
        ({"NOTIFICATIONS_TRUSTED_PROXIES": ["nginx"]}, "notifications.E009"),
        *(
            ({"NOTIFICATIONS_METRICS_URL": url}, "notifications.E016")
            for url in ("udp://a:1", "statsd://", "statsd://a:b", "statsd://a:0", "statsd://a/b c", "statsd://[", None)
        ),
        ({"NOTIFICATIONS_RAW_MAX_BODY_BYTES": 0}, "notifications.E011"),
        *(
            ({f"NOTIFICATIONS_{name}": value}, "notifications.E011")
            for name, values in {
                "RAW_MAX_BODY_BYTES": ("10M", 1.5, True, None),
                "SPOOL_MAX_BYTES": (-1, "1G"),
                "MIN_FREE_BYTES": (-1, "128M"),
                "METRICS_INTERVAL": (0, "60s", float("nan")),
                "RATE_LIMITS": ("false", 0, None),
                "GATE": ("on", "", 1, None),
                "SITE_URL": ("shop.example.org", "https://", "https://a/path", "https://u:p@a", "ftp://a", None),
                "HEARTBEAT_URL": ("hc-ping.com/x", "https://[", "https://a:b/", "https://a/b c", None),
            }.items()
            for value in values
        ),
        ({"NOTIFICATIONS_ALERT_LOG_UNITS": ["proppy-web@1.service", "nginx"]}, "notifications.E017"),
        ({"NOTIFICATIONS_ALERT_LOG_UNITS": "nginx.service"}, "notifications.E017"),
        ({"NOTIFICATIONS_ALERT_LOG_UNITS": None}, "notifications.E017"),
        ({"NOTIFICATIONS_TRUSTED_PROXIES": "127.0.0.1"}, "notifications.E009"),
        ({"NOTIFICATIONS_TRUSTED_PROXIES": None}, "notifications.E009"),
        ({"NOTIFICATIONS_DATABASE": "events"}, "notifications.E050"),
        *(
            ({f"NOTIFICATIONS_{name}": value}, "notifications.E011")
            for name, value in {
                "STATUS_TOKEN": 7,
                "HTTPS_PROXY": None,
                "NO_PROXY": "intranet",
                "TRUSTED_UIDS": ["0"],
                "FOLLOWER_UNIT": None,
                "NOTIFY_SOCKET": 3,
            }.items()
        ),
        ({"NOTIFICATIONS_SOURCE": {}}, "notifications.W055"),
        ({"NOTIFICATION_CHANNELS": {}}, "notifications.W055"),
        ({"NOTIFICATIONS_RAW_MAX_BODY_BYTE": 5}, "notifications.W055"),
    ],
)
def test_says_what_is_wrong(wrong: dict[str, Any], id_: str) -> None:
    assert ids(**wrong) == [id_]


@pytest.mark.parametrize("channels", [["SLACK"], None, {7: {}}])
def test_channels_that_are_none(channels: Any) -> None:
    with override_settings(NOTIFICATIONS_CHANNELS=channels):
        assert [message.id for message in check_channels()] == ["notifications.E007"]
        assert len(check_alert_channel()) <= 1


def test_an_unknown_name_near_one_of_ours_names_it() -> None:
    (message,) = found(NOTIFICATIONS_TRUSTED_PROXYS=["10.0.0.1"])
    assert "NOTIFICATIONS_TRUSTED_PROXYS" in message.msg
    assert "NOTIFICATIONS_TRUSTED_PROXIES" in str(message.hint)
    assert found(NOTIFICATIONS_OF_OTHERS=1, NOTIFIER="x") == []


def test_each_message_names_the_setting_as_it_is_written() -> None:
    (message,) = found(NOTIFICATIONS_RAW_MAX_BODY_BYTES="10M")
    assert message.msg == "NOTIFICATIONS_RAW_MAX_BODY_BYTES is '10M'."
    (message,) = found(NOTIFICATIONS_STATUS_TOKEN=b"s3cret")
    assert "s3cret" not in message.msg


@pytest.mark.parametrize(
    ("engine", "name"),
    [
        ("django.db.backends.mysql", "MySQL or MariaDB"),
        ("django.db.backends.oracle", "Oracle"),
        ("mssql", "SQL Server"),
    ],
)
def test_a_database_that_is_not_supported_is_refused_by_name(
    engine: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", engine)
    (message,) = found()
    assert message.id == "notifications.E051"
    assert f"'default' is {name}" in message.msg
    assert "NOTIFICATIONS_DATABASE" in str(message.hint)


def test_psycopg2_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import_module("django.db.backends.postgresql.base")  # as it would be there, by psycopg2
    monkeypatch.setattr("django.db.backends.postgresql.psycopg_any.is_psycopg3", False)
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.postgresql")
    monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", {"connect_timeout": 2})
    (message,) = found()
    assert message.id == "notifications.E052"
    assert "psycopg[binary]" in str(message.hint)


@pytest.mark.parametrize(
    ("pool", "id_"), [(True, ["notifications.W054"]), ({"max_size": 4}, ["notifications.W054"]), ({"timeout": 2}, [])]
)
def test_a_pool_that_a_request_may_wait_for(pool: Any, id_: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.postgresql")
    monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", {"connect_timeout": 2, "pool": pool})
    assert ids() == id_


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        *(("lease", value) for value in (0, -1, "60", None, True, float("nan"), float("inf"))),
        *(("tolerance", value) for value in (0, -1, "300", None, float("nan"), float("inf"))),
        *(("max_attempts", value) for value in (0, 1.5, "16", None, True)),
        *(("max_waiting", value) for value in (-1, 1.5, "5", None, False)),
        *(("max_body_bytes", value) for value in (0, 1.5, "10M", True)),
        *(("redirect", value) for value in ("thanks", "//evil.example", "/\\evil", "https://x/", "/a b", None)),
        *(("http", value) for value in (1, "true", None)),
        *(("key_header", value) for value in ("", "a b", None)),
    ],
)
def test_names_the_option_of_a_source_that_is_wrong(option: str, wrong: Any) -> None:
    (message,) = found(NOTIFICATIONS_SOURCES={"a": {option: wrong}})
    assert message.id == "notifications.E012"
    assert option in message.msg
    assert message.hint


def test_takes_each_option_of_a_source_that_is_right() -> None:
    right = {
        "http": True,
        "signature": "standard-webhooks",
        "secrets": ("whsec_c2VjcmV0", "c2VjcmV0", ""),
        "tolerance": 0.5,
        "max_body_bytes": None,
        "key_header": "X-Request-Key",
        "redirect": "/thanks/",
        "max_waiting": 0,
        "max_attempts": 1,
        "lease": 1,
    }
    assert ids(NOTIFICATIONS_SOURCES={"a": right, "b": {"redirect": "", "max_body_bytes": 1}}) == []


def test_an_error_does_not_show_the_secret() -> None:
    source = {"signature": "standard-webhooks", "secrets": ["whsec_top-secret"]}
    (message,) = found(NOTIFICATIONS_SOURCES={"a": source})
    assert "top-secret" not in f"{message.msg}{message.hint}"


def test_warns_of_a_state_dir_that_others_can_look_into(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert ids(NOTIFICATIONS_STATE_DIR=tmp_path) == ["notifications.W001"]
    tmp_path.chmod(0o700)
    assert ids(NOTIFICATIONS_STATE_DIR=tmp_path) == []


def test_a_sqlite_that_loses_commits_is_a_warning_and_when_deployed_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.sqlite.has_wal_reset_race", lambda driver: True)
    assert ids() == ["notifications.W003"]
    assert "notifications.E010" in {message.id for message in run_checks(include_deployment_checks=True)}
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.postgresql")
    monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", {"connect_timeout": 2})
    assert ids() == []


def test_warns_of_a_postgresql_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.postgresql")
    assert ids() == ["notifications.W011"]
    monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", {"connect_timeout": 2})
    assert ids() == []


def test_warns_of_a_connection_for_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "CONN_MAX_AGE", 0)
    (message,) = found()
    assert message.id == "notifications.W002"
    assert message.hint == (
        'Under WSGI set DATABASES["default"]["CONN_MAX_AGE"] = None. Under ASGI leave it at 0,'
        ' and add "notifications.W002" to SILENCED_SYSTEM_CHECKS.'
    )
    monkeypatch.setitem(settings.DATABASES["default"]["OPTIONS"], "pool", True)
    assert ids() == []


def test_warns_of_a_sqlite_whose_visitors_would_find_it_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES, "default", sqlite.database("/tmp/db.sqlite3"))
    assert ids() == []
    monkeypatch.setitem(settings.DATABASES["default"]["OPTIONS"], "transaction_mode", "DEFERRED")
    (message,) = found()
    assert message.id == "notifications.W030"
    assert message.msg == (
        'SQLite without transaction_mode "IMMEDIATE": requests fail with "database is locked" beside the workers.'
    )
    monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", {})
    assert "transaction_mode" in found()[0].msg
    assert "journal_mode=WAL" in found()[0].msg
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.postgresql")
    assert "notifications.W030" not in ids()
