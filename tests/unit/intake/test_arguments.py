"""Wrong arguments of keep() and emit(): the error says what to write."""

import io
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from notifications import emit, keep
from notifications.conf import conf
from notifications.errors import UnknownSource
from notifications.http.signatures import sign
from notifications.models import RawPayload
from notifications.utils.setting_rules import RULES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (("demo", {"user": 1}), {}, "keep() takes bytes, not dict: write keep('demo', json.dumps(body).encode())"),
        (("demo", [1]), {}, "json.dumps(body).encode()"),
        (("demo", "text"), {}, "body.encode()"),
        (("demo", bytearray(b"x")), {}, "bytes(body)"),
        (("demo", io.BytesIO(b"x")), {}, "body.read()"),
        (("demo", 7), {}, "str(body).encode()"),
        ((b"x", "demo"), {}, 'takes the name of a source first, as in keep("welcome", b"…"), not bytes'),
        ((None, b"x"), {}, "not NoneType"),
        (("demo", b"x"), {"key": 7}, "key is a str, not int: write key=str(…)"),
        (("demo", b"x"), {"content_type": None}, "content_type is a str"),
        (("demo", b"x"), {"headers": [("a", "b")]}, "headers are a dict of str"),
        (("demo", b"x"), {"headers": {"a": 1}}, "headers are a dict of str"),
        (("demo", b"x"), {"not_before": timedelta(hours=1)}, "write timezone.now() + timedelta(…)"),
    ],
)
def test_keep_says_what_to_write(arguments: Any, options: Any, said: str) -> None:
    with pytest.raises(TypeError) as caught:
        keep(*arguments, **options)
    assert said in str(caught.value)
    assert not RawPayload.objects.exists()


def test_a_misspelt_source(settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {"welcome": {}}
    with pytest.raises(UnknownSource, match="did you mean 'welcome'"):
        keep("wellcome", b"x")


@pytest.mark.parametrize(
    ("name", "said"), [(7, "not int"), ("slack", "is not a valid event name"), ("LOST", "reserved")]
)
def test_emit_logs_what_to_write(name: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        emit(name, "text")
    assert said in caplog.text


@pytest.mark.parametrize(
    "options",
    [
        {"http": True, "max_body_bytes": "1000"},
        {"http": True, "max_waiting": "5"},
        {"http": True, "rate": "often"},
        {"http": True, "signature": "sripe", "secrets": ["x"]},
        {"http": True, "signature": "stripe", "secrets": None},
        {"http": True, "signatur": "stripe"},
        {"http": True, "key_header": None},
        {"http": "yes"},
    ],
)
def test_a_source_whose_settings_are_wrong_stores_nothing_and_is_no_500(
    options: dict[str, Any], settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """503: the sender tries again, and nothing is stored by rules that nobody meant."""
    settings.NOTIFICATIONS_SOURCES = {"demo": options, "right": {"http": True}}
    answer = Client().generic("POST", "/in/demo/", b"x")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "run manage.py check" in answer.content.decode()
    assert not RawPayload.objects.exists()
    assert keep("demo", b"ours"), "no rules for posts concern it"
    assert Client().generic("POST", "/in/right/", b"x").status_code == 202


@pytest.mark.parametrize(
    "options",
    [
        {"http": True, "keep_done_days": 0},
        {"http": True, "lease": "60"},
        {"http": True, "signature": "github", "secrets": ["s" * 32, 7], "bad_signature": "quarantine"},
        {"http": True, "signature": "github", "secrets": "s" * 32, "bad_signature": "quarantine"},
    ],
    ids=["retention", "lease", "a bad secret beside a good one", "one string"],
)
def test_what_does_not_concern_a_post_refuses_none(options: dict[str, Any], settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {"demo": options}
    headers = sign("github", b"x", "s" * 32, 0.0)
    assert Client().generic("POST", "/in/demo/", b"x", headers=headers).status_code == 202
    assert list(RawPayload.objects.values_list("state", flat=True)) == ["received"]


@pytest.mark.parametrize("name", RULES)
def test_a_setting_of_none_is_its_default_in_a_new_process_too(
    name: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As os.environ.get() returns it."""
    monkeypatch.setattr("notifications.conf.RIGHT", {})
    setattr(settings, f"NOTIFICATIONS_{name}", None)
    assert getattr(conf, "body_storage_alias" if name == "BODY_STORAGE" else name.lower()) is not None


def test_the_error_of_headers_quotes_no_value() -> None:
    with pytest.raises(TypeError, match=r"not 'Authorization': bytes$"):
        keep("demo", b"x", headers={"Authorization": b"Bearer secret"})  # type: ignore[dict-item]  # on purpose


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("RAW_MAX_BODY_BYTES", "10485760"),
        ("MIN_FREE_BYTES", "128M"),
        ("SPOOL_MAX_BYTES", None),
        ("TRUSTED_PROXIES", "10.0.0.1"),
        ("TRUSTED_PROXIES", ["nginx"]),
        ("RATE_LIMITS", "false"),
        ("METRICS_INTERVAL", "60"),
        ("STATUS_TOKEN", 7),
        ("BODY_STORAGE", None),
    ],
)
def test_a_post_is_stored_though_another_setting_is_wrong(name: str, wrong: Any, settings: Any) -> None:
    setattr(settings, f"NOTIFICATIONS_{name}", wrong)
    headers = {"x-forwarded-for": "203.0.113.9"}
    assert Client().generic("POST", "/in/demo/", b"x", headers=headers).status_code == 202
    assert Client().get("/readyz").status_code == 200
