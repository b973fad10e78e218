"""Django's debug page and its error mails show settings, and the environment where `runserver` is the server."""

from typing import Any

from django.test import RequestFactory
from django.views.debug import ExceptionReporter, get_exception_reporter_filter

SECRET = "geheim"


def test_addresses_that_are_secret_are_masked(settings: Any, rf: RequestFactory) -> None:
    address = f"https://user:{SECRET}@example.org/{SECRET}"
    settings.NOTIFICATIONS_HEARTBEAT_URL = settings.NOTIFICATIONS_HTTPS_PROXY = address
    settings.NOTIFICATIONS_CHANNELS = {
        "SLACK": {"class": "notifications.channels.slack.Slack", "webhook_url": address, "token": SECRET},
        "WEBHOOK": {"class": "notifications.channels.webhook.Webhook", "url": address, "secret": SECRET},
    }
    names = ("HEARTBEAT_URL", "SLACK_WEBHOOK_URL", "SLACK_ALERT_WEBHOOK_URL", "WEBHOOK_URL", "https_proxy")
    environment = dict.fromkeys((*names, "DATABASE_URL", "EMAIL_URL", "HTTPS_PROXY", "SECRET_KEY"), address)
    request = rf.get("/", **environment)  # type: ignore[arg-type]  # the stubs know no variables of the environment
    report = ExceptionReporter(request, ValueError, ValueError("x"), None)
    for text in (report.get_traceback_text(), report.get_traceback_html()):
        assert SECRET not in text
        assert "notifications.channels.webhook.Webhook" in text
        assert "HEARTBEAT_URL" in text
    assert get_exception_reporter_filter(request).get_safe_settings()["STATIC_URL"] == settings.STATIC_URL
