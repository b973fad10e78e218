"""Each misconfiguration that users will make is named, with what to write instead."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.test import override_settings


def ids(**changed: Any) -> list[str]:
    with override_settings(**changed):
        messages = [message for message in run_checks() if str(message.id).startswith("notifications.")]
    assert all(message.hint for message in messages)
    return [str(message.id) for message in messages]


def test_the_sites_own_settings_are_right() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("wrong", "id_"),
    [
        ({"NOTIFICATIONS_JOURNAL_URL": "redis://"}, "notifications.E001"),
        ({"NOTIFICATIONS_JOURNAL_URL": "journald"}, "notifications.E001"),
        ({"NOTIFICATIONS_TEXT_JOURNAL_URL": "syslog"}, "notifications.E001"),
        ({"NOTIFICATIONS_STATE_DIR": "var"}, "notifications.E002"),
        ({"NOTIFICATIONS_STATE_DIR": __file__}, "notifications.E002"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"htpp": True}}}, "notifications.E003"),
        ({"NOTIFICATIONS_SOURCES": {"a": None}}, "notifications.E003"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"signature": "sripe", "secrets": ["x"]}}}, "notifications.E004"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"signature": "stripe"}}}, "notifications.E005"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"signature": "stripe", "secrets": [""]}}}, "notifications.E005"),
        ({"NOTIFICATIONS_SOURCES": {"a": {"signature": "stripe", "secrets": "whsec"}}}, "notifications.E005"),
        ({"NOTIFICATIONS_SOURCES": {"a/b": {}}}, "notifications.E006"),
        ({"NOTIFICATIONS_CHANNELS": {"slack": {"class": "x"}}}, "notifications.E007"),
        ({"NOTIFICATIONS_CHANNELS": {"SLACK": {}}}, "notifications.E008"),
        ({"NOTIFICATIONS_CHANNELS": {"SLACK": {"class": "notifications.channels.slak.Slack"}}}, "notifications.E008"),
        ({"NOTIFICATIONS_CHANNELS": {"SLACK": {"class": "notifications.events.Event"}}}, "notifications.E008"),
        (
            {"NOTIFICATIONS_CHANNELS": {"SLACK": {"class": "notifications.channels.slack.Slack", "tokn": "x"}}},
            "notifications.E008",
        ),
        ({"NOTIFICATIONS_TRUSTED_PROXIES": ["nginx"]}, "notifications.E009"),
        ({"NOTIFICATIONS_RAW_MAX_BODY_BYTES": 0}, "notifications.E011"),
        ({"NOTIFICATIONS_RAW_MAX_BODY_BYTES": "10M"}, "notifications.E011"),
    ],
)
def test_says_what_is_wrong(wrong: dict[str, Any], id_: str) -> None:
    assert ids(**wrong) == [id_]


def test_warns_of_a_state_dir_that_others_can_look_into(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert ids(NOTIFICATIONS_STATE_DIR=tmp_path) == ["notifications.W001"]
    tmp_path.chmod(0o700)
    assert ids(NOTIFICATIONS_STATE_DIR=tmp_path) == []


def test_a_sqlite_that_loses_commits_is_a_warning_and_when_deployed_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.sqlite.has_wal_reset_race", lambda: True)
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    assert ids() == ["notifications.W003"]
    assert "notifications.E010" in {message.id for message in run_checks(include_deployment_checks=True)}
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.postgresql")
    assert ids() == []


def test_warns_of_a_connection_for_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "CONN_MAX_AGE", 0)
    assert ids() == ["notifications.W002"]
    monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", {"pool": True})
    assert ids() == []
