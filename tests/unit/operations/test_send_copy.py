"""What a copy of a stored request is, and where it may go."""

import itertools
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from notifications.http.signatures import SCHEMES, headers_of
from notifications.models import RawPayload
from notifications.operations import send_copy
from notifications.operations.send_copy import AddressRefused, send, target_of
from notifications.utils.addresses import is_loopback
from tests.support.payloads import kept
from tests.support.webhook import Receiver, Slowly, response

pytestmark = pytest.mark.django_db


@pytest.fixture
def local(receiver: Receiver) -> Receiver:
    """A developer's server."""
    return receiver


def payload(body: bytes = b"\x00\xff{}", *, headers: dict[str, str] | None = None, **columns: Any) -> RawPayload:
    made = kept(body)
    columns = {"content_type": "application/json", "headers_json": json.dumps(headers or {})} | columns
    RawPayload.objects.filter(pk=made.pk).update(**columns)
    return RawPayload.objects.get(pk=made.pk)


class TestWhatIsSent:
    def test_the_bytes_as_they_came(self, local: Receiver) -> None:
        body = bytes(range(256)) * 100
        answer = send(payload(body, headers={"x-event": "paid"}, query="a=1&b=%20"), target_of(f"{local.url}?local=1"))
        (request,) = local.requests
        assert answer.startswith("204 ")
        assert (request.method, request.body) == ("POST", body)
        assert request.path.endswith("?local=1&a=1&b=%20")
        assert request.headers["content-type"] == "application/json"
        assert request.headers["x-event"] == "paid"
        assert request.headers["content-length"] == str(len(body))
        assert request.headers["host"] in local.url

    def test_nothing_in_the_database_changes(self, local: Receiver) -> None:
        made = payload()
        before = RawPayload.objects.values().get(pk=made.pk)
        send(made, target_of(local.url))
        assert RawPayload.objects.values().get(pk=made.pk) == before

    def test_signatures_keys_and_credentials_only_where_they_are_asked_for(self, local: Receiver) -> None:
        signatures = {name: "s" for scheme in SCHEMES for name in headers_of(scheme)}
        signatures |= {"x-shopify-hmac-sha256": "s", "x-other-signature": "s", "paypal-transmission-sig": "s"}
        keys = {"idempotency-key": "k", "x-api-key": "k", "x-access-token": "k", "authorization": "k", "cookie": "k"}
        made = payload(headers=signatures | keys | {"x-harmless": "1"})
        target = target_of(local.url)
        for options in ({}, {"signatures": True}, {"keys": True}, {"signatures": True, "keys": True}):
            send(made, target, **options)
        for request, wanted in zip(local.requests, [{}, signatures, keys, signatures | keys], strict=True):
            assert {name for name in request.headers if name in signatures | keys} == set(wanted)
            assert request.headers["x-harmless"] == "1"

    def test_the_key_header_of_the_source_is_a_key(self, local: Receiver, settings: Any) -> None:
        settings.NOTIFICATIONS_SOURCES = {"demo": {"http": True, "key_header": "X-Event-Id"}}
        send(payload(headers={"x-event-id": "evt_1"}), target_of(local.url))
        assert "x-event-id" not in local.requests[0].headers

    def test_headers_of_the_connection_and_of_proxies_are_not_copied(self, local: Receiver) -> None:
        names = [
            *("host", "content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive", "te"),
            *("upgrade", "expect", "trailer", "proxy-connection", "forwarded", "via", "x-forwarded-for", "x-real-ip"),
            *("x-forwarded-proto", "cf-connecting-ip", "true-client-ip", "x-original-host"),
        ]
        made = payload(b"x", headers=dict.fromkeys(names, "evil.example, 10.0.0.1"))
        assert send(made, target_of(local.url)).startswith("204")
        assert "evil" not in str(local.requests[0].headers)
        assert set(local.requests[0].headers) == {"content-type", "host", "content-length", "connection"}

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb", "a\0b", "a\r\n X-Evil: 1"])
    @pytest.mark.parametrize("where", ["header", "name", "content_type"])
    def test_no_value_adds_a_line(self, local: Receiver, value: str, where: str) -> None:
        headers = {"x-a": value} if where == "header" else {f"x-{value}": "1"} if where == "name" else {}
        columns: dict[str, Any] = {"content_type": value} if where == "content_type" and "\0" not in value else {}
        assert send(payload(headers=headers, **columns), target_of(local.url)).startswith("204")
        assert "evil" not in str(local.requests[0].headers).lower()

    @pytest.mark.parametrize("query", ["a=1 HTTP/1.1\r\nX-Evil: 1", "a b", "ä=€", "\x7f", "x#y", "%zz"])
    def test_no_query_leaves_its_line(self, local: Receiver, query: str) -> None:
        assert send(payload(query=query), target_of(local.url)).startswith("204")
        assert "x-evil" not in local.requests[0].headers
        assert " " not in local.requests[0].path

    def test_other_characters_than_ascii_go_as_the_bytes_that_came(self, local: Receiver) -> None:
        send(payload(headers={"x-name": "J\xfcrgen", "x-other": "\u20ac"}), target_of(local.url))
        assert local.requests[0].headers["x-name"] == "J\xfcrgen"
        assert local.requests[0].headers["x-other"].encode("latin-1").decode() == "\u20ac"


class TestAnswers:
    def test_redirects_are_not_followed(self, local: Receiver) -> None:
        local.answers(response(302, Location=local.url))
        assert send(payload(), target_of(local.url)).startswith("302")
        assert len(local.requests) == 1

    def test_what_it_says_cannot_steer_the_terminal(self, local: Receiver) -> None:
        local.answers(b"HTTP/1.1 500 \x1b[2Jgone\r\nContent-Length: 0\r\n\r\n")
        assert "\x1b" not in send(payload(), target_of(local.url))

    def test_one_that_drips_is_left(self, local: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(send_copy, "TIMEOUT", 0.3)
        local.answers(Slowly(itertools.repeat(b"H")))
        assert send(payload(), target_of(local.url)) == "no answer within 0.3 s"

    @pytest.mark.parametrize("answer", ["silence", "reset"])
    def test_no_answer_is_said(self, local: Receiver, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(send_copy, "TIMEOUT", 0.3)
        local.answers(answer)
        said = send(payload(), target_of(local.url))
        assert not said[0].isdigit()
        assert "no answer within" in said or answer == "reset"

    def test_nobody_there_is_said(self) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            port = server.getsockname()[1]
        assert "ConnectionRefusedError" in send(payload(), target_of(f"http://127.0.0.1:{port}/"))

    def test_a_body_that_is_lost_is_said(self, local: Receiver) -> None:
        made = payload()
        RawPayload.objects.filter(pk=made.pk).update(inline_body=None, stored_as="ab/gone")
        assert "ab/gone" in send(RawPayload.objects.get(pk=made.pk), target_of(local.url))
        assert local.requests == []


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:8000/in/x/",
            "http://127.9.9.9/",
            "http://[::1]:8000/",
            "http://[::ffff:127.0.0.1]/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://localhost:8000/",
            "https://localhost/",
        ],
    )
    def test_this_machine_however_it_is_written(self, url: str) -> None:
        for _, address in target_of(url).addresses:
            assert is_loopback(str(address[0]))

    @pytest.mark.parametrize(
        "url",
        [
            "http://192.0.2.1/",
            "http://0.0.0.0/",
            "http://0/",
            "http://[::]/",
            "http://[::ffff:192.0.2.1]/",
            "http://[::ffff:0.0.0.0]/",
            "http://169.254.169.254/latest/",
            "http://3221225985/",
            "http://10.1/",
            "http://127.0.0.1@192.0.2.1/",
            "http://192.0.2.1@127.0.0.1/",
            "http://192.0.2.1\\@127.0.0.1/",
            "http://127.0.0.1#@192.0.2.1/",
            "http://127.0.0.1 .example/",
            "http://127.0.0.1/\r\nX-Evil: 1",
            "http://[::1",
            "http://127.0.0.1:99999/",
            "http:///in/x/",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "127.0.0.1:8000",
            "//127.0.0.1/",
            "",
        ],
    )
    def test_anything_else_is_refused(self, url: str) -> None:
        with pytest.raises(AddressRefused):
            target_of(url)

    def test_a_host_that_is_allowed_and_no_other(self) -> None:
        assert target_of("http://192.0.2.1/", allowed=["192.0.2.1"]).host == "192.0.2.1"
        assert target_of("http://[2001:db8::1]/", allowed=["[2001:DB8::1]"]).host == "2001:db8::1"
        with pytest.raises(AddressRefused, match=r"--allow-host 192\.0\.2\.2"):
            target_of("http://192.0.2.2/", allowed=["192.0.2.1"])

    def test_a_name_is_resolved_once_and_each_of_its_addresses_checked(
        self, local: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = int(local.url.split(":")[2].split("/")[0])
        answers: Iterator[list[str]] = iter([["127.0.0.1"], ["127.0.0.1", "192.0.2.1"], ["192.0.2.1"]])

        def resolve(host: str, port: int, **_: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(answers)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        target = target_of(f"http://rebound.example:{port}/")
        for _ in range(3):  # whatever the name means by now
            assert send(payload(), target).startswith("204")
        for _ in range(2):
            with pytest.raises(AddressRefused, match=r"192\.0\.2\.1"):
                target_of(f"http://rebound.example:{port}/")
