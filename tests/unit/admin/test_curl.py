"""The command that sends a stored request again: read by a real shell, sent by what it names."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.test.utils import override_script_prefix
from django.utils.html import escape

from notifications.admin.payloads.curl import LONGEST_BODY, curl, quote
from tests.support.admin import LIST, page, payload, staff

pytestmark = pytest.mark.django_db

SITE = "http://127.0.0.1:8000"
HOSTILE = [
    "'; touch owned; '",
    "$(touch owned)",
    "`touch owned`",
    '"; touch owned; "',
    "a\nb\n; touch owned",
    "\\'; touch owned; \\'",
    "!! !touch",
    "=ls ~ * ? {a,b} <(touch owned) & | > owned",
    "@/etc/passwd",
    "-o owned",
    "é 漢 😀",
    "\\",
    "%s %n \\n \\x41",
    "",
]


def words(command: str, folder: Path, shell: str = "sh") -> list[str]:
    """What a shell makes of it: the arguments that curl would get."""
    script = 'curl() { for word in "$@"; do printf "%s\\0" "$word"; done; }\n' + command
    done = subprocess.run([shell, "-c", script], cwd=folder, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    return done.stdout.decode().split("\0")[:-1]


def value_of(option: str, arguments: list[str]) -> list[str]:
    return [arguments[place + 1] for place, word in enumerate(arguments) if word == option]


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_shell_reads_what_came_and_runs_none_of_it(text: str, shell: str, tmp_path: Path) -> None:
    one_line = text.replace("\n", " ").encode("ascii", "replace").decode()
    stored = payload(text.encode(), one_line, source=text, query=one_line, headers={"x-note": one_line, one_line: "x"})

    arguments = words(curl(stored, SITE), tmp_path, shell)

    assert value_of("--data-raw", arguments) == [text]
    headers = value_of("--header", arguments)
    assert headers[0] == (f"Content-Type: {one_line}" if text else "Content-Type:")
    assert (f"x-note: {one_line}" if text else "x-note;") in headers
    assert [word for word in arguments if word.startswith("http")] == [arguments[1]]
    assert arguments[1].startswith("http://127.0.0.1:8000/in/")
    assert all(word not in arguments for word in ("-o", "touch", "owned"))


@pytest.mark.parametrize("text", HOSTILE)
def test_python_and_shells_agree_on_the_quotes(text: str) -> None:
    assert shlex.split(quote(text)) == [text]


@pytest.mark.parametrize(
    "body",
    [b"\0", b"\xff", b"a\tb", b"a\rb", b"\x1b[201~", "a\u202eb".encode(), b"x" * (LONGEST_BODY + 1)],
    ids=["NUL", "not UTF-8", "tab", "return", "escape", "bidirectional", "long"],
)
def test_what_a_terminal_would_not_take_as_it_is_comes_from_the_file(body: bytes, tmp_path: Path) -> None:
    stored = payload(body)
    arguments = words(curl(stored, SITE), tmp_path)
    assert value_of("--data-binary", arguments) == [f"@{stored.receipt}.bin"]
    assert "--data-raw" not in arguments


def test_neither_signatures_nor_keys_nor_what_curl_says_itself(settings: Any, tmp_path: Path) -> None:
    settings.NOTIFICATIONS_SOURCES = {"demo": {"key_header": "X-Once"}}
    secret = ["stripe-signature", "x-slack-request-timestamp", "webhook-id", "x-once", "x-api-key", "x-hub-signature"]
    others = ["host", "content-length", "x-forwarded-for", "transfer-encoding"]
    stored = payload(headers=dict.fromkeys(secret + others, "hidden") | {"x-event": "paid", "x-bad": "a\r\nx: y"})

    command = curl(stored, SITE)

    assert "hidden" not in command
    assert value_of("--header", words(command, tmp_path)) == ["Content-Type:", "x-event: paid"]


def test_the_method_and_the_query_are_those_of_the_request(tmp_path: Path) -> None:
    stored = payload(method="PUT", query="a=1&b=%20 c#d\\'")
    arguments = words(curl(stored, SITE), tmp_path)
    assert value_of("--request", arguments) == ["PUT"]
    assert "http://127.0.0.1:8000/in/demo/?a=1&b=%20%20c%23d%5C'" in arguments
    assert value_of("--request", words(curl(payload(method="POST"), SITE), tmp_path)) == []
    assert value_of("--request", words(curl(payload(method="'; x"), SITE), tmp_path)) == []


def test_the_page_shows_it_to_those_who_may_see_bodies(admin: Client) -> None:
    stored = payload(b"it's <b>", headers={"x-event": "paid"})
    text = page(admin, stored)
    assert escape(curl(stored, "http://testserver")) in text
    assert 'data-copy="raw-curl"' in text
    assert "curl --globoff" not in page(staff("view_rawpayload"), stored)


@pytest.mark.parametrize(
    ("host", "secure", "site"),
    [("testserver:8001", False, "http://testserver:8001"), ("testserver", True, "https://testserver")],
)
def test_it_is_sent_where_the_page_was_asked_for(admin: Client, host: str, secure: bool, site: str) -> None:
    stored = payload()
    text = admin.get(f"{LIST}{stored.pk}/change/", secure=secure, headers={"host": host}).content.decode()
    assert escape(f"curl --globoff '{site}/in/demo/'") in text


def test_through_a_proxy_it_is_what_django_sees_and_the_setting_comes_first(admin: Client, settings: Any) -> None:
    stored = payload()
    forwarded = {"x-forwarded-host": "testserver:9", "x-forwarded-proto": "https"}
    settings.USE_X_FORWARDED_HOST, settings.SECURE_PROXY_SSL_HEADER = True, ("HTTP_X_FORWARDED_PROTO", "https")
    text = admin.get(f"{LIST}{stored.pk}/change/", headers=forwarded).content.decode()
    assert escape("'https://testserver:9/in/demo/'") in text
    settings.NOTIFICATIONS_SITE_URL = "https://shop.example.org/"
    text = admin.get(f"{LIST}{stored.pk}/change/", headers=forwarded).content.decode()
    assert escape("'https://shop.example.org/in/demo/'") in text


def test_under_a_path_the_path_is_part_of_the_address() -> None:
    with override_script_prefix("/shop/"):
        assert curl(payload(), SITE).startswith(f"curl --globoff '{SITE}/shop/in/demo/'")
