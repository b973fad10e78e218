"""The webhook channel over real HTTP, against a receiver that misbehaves."""

import itertools
import json
import logging
import shlex
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
from django.core.checks import run_checks
from django.test import override_settings
from django.utils.http import http_date
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels import Unavailable, Undeliverable
from notifications.channels.webhook import Webhook, message
from notifications.events.event import Event
from notifications.follow_journal.digest import Digest
from notifications.http.retry_after import LONGEST
from notifications.http.signatures import BadSignature, verify
from tests.support.child import BASE_DIR
from tests.support.ports import free_port
from tests.support.processes import settings_env
from tests.support.webhook import Receiver, Slowly, response

NOON: Final = datetime(2026, 5, 1, 12, 0, 0, 123, tzinfo=UTC)
SECRET: Final = Receiver.secret
CLASS: Final = "notifications.channels.webhook.Webhook"


def event(text: str = "Ada signed up", **changes: Any) -> Event:
    return Event(**{"name": "WEBHOOK", "text": text, "time": NOON, "id": "9f86d081884c7d65:3", **changes})


def channel(receiver: Receiver, **options: Any) -> Webhook:
    return Webhook("WEBHOOK", **{"url": receiver.url, "secret": SECRET, **options})


def refusal(receiver: Receiver, *answers: Any, **options: Any) -> Unavailable | Undeliverable:
    receiver.answers(*answers)
    with pytest.raises((Unavailable, Undeliverable)) as caught:
        channel(receiver, **options).deliver([event()])
    assert len(receiver.requests) == 1, "it neither follows nor tries again by itself"
    assert isinstance(caught.value, (Unavailable, Undeliverable))
    return caught.value


def passing(receiver: Receiver, *answers: Any, **options: Any) -> Unavailable:
    error = refusal(receiver, *answers, **options)
    assert isinstance(error, Unavailable)
    return error


def final(receiver: Receiver, *answers: Any, **options: Any) -> str:
    error = refusal(receiver, *answers, **options)
    assert isinstance(error, Undeliverable)
    return str(error)


def check(receiver: Receiver, secret: str = SECRET) -> None:
    """Each request, as a receiver that uses our own verifier sees it."""
    for request in receiver.requests:
        verify("standard-webhooks", request.headers, request.body, secrets=[secret], tolerance=60, now=time.time())


def ids(receiver: Receiver) -> list[str]:
    return [request.headers["webhook-id"] for request in receiver.requests]


# What is sent


def test_a_post(receiver: Receiver) -> None:
    channel(receiver).deliver([event(data={"user": 7})])
    check(receiver)
    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/hook")
    assert json.loads(request.body) == {
        "type": "WEBHOOK",
        "timestamp": "2026-05-01T12:00:00.000123Z",
        "data": {"id": "9f86d081884c7d65:3", "text": "Ada signed up", "fields": {"user": 7}},
    }
    assert request.headers["webhook-id"] == "9f86d081884c7d65:3"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "proppy"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_another_secret_does_not_verify(receiver: Receiver) -> None:
    channel(receiver, secret="whsec_" + "b3RoZXIx" * 4).deliver([event()])
    with pytest.raises(BadSignature):
        check(receiver)


@pytest.mark.parametrize("path", ["", "/", "/a/b%20c", "/a?b=c&d=%C3%A9", "?b=c"])
def test_the_whole_address_is_used(receiver: Receiver, path: str) -> None:
    channel(receiver, url=receiver.url.removesuffix("/hook") + path).deliver([event()])
    assert [request.path for request in receiver.requests] == [path if path.startswith("/") else f"/{path}"]


def test_options_from_files_end_with_a_newline(receiver: Receiver) -> None:
    channel(receiver, url=receiver.url + "\n", secret=f" {SECRET}\r\n").deliver([event()])
    check(receiver)


def test_the_time_is_that_of_the_event_and_in_utc() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=-7)))
    assert message(event(time=there)) == message(event())


def test_each_attempt_has_the_same_id_and_body_and_its_own_time(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers(response(500))
    with pytest.raises(Unavailable):
        channel(receiver).deliver([event()])
    now = time.time() + 30
    monkeypatch.setattr("notifications.channels.webhook.time.time", lambda: now)
    channel(receiver).deliver([event()])
    first, second = receiver.requests
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert int(second.headers["webhook-timestamp"]) == int(now)
    assert int(first.headers["webhook-timestamp"]) <= now - 29
    check(receiver)


def test_events_without_an_id_get_one_that_stays(receiver: Receiver) -> None:
    for text, id_ in [("a", ""), ("a", ""), ("b", ""), ("a", "x.y"), ("a", "x\r\nEvil: 1"), ("a", "\ud800")]:
        channel(receiver).deliver([event(text, id=id_)])
    check(receiver)
    assert ids(receiver)[0] == ids(receiver)[1]
    assert len(set(ids(receiver))) == 5
    assert [json.loads(request.body)["data"]["id"] for request in receiver.requests] == ids(receiver)


def test_a_digest_has_an_id_of_its_own_that_stays(receiver: Receiver) -> None:
    for most in (4, 4, 5):
        digest = Digest()
        for number in range(most):
            digest.add(event(f"event {number}", id=f"abc:{number}", data={"kind": "sign-up"}))
        channel(receiver).deliver([digest.event("WEBHOOK")])
    check(receiver)
    first, again, longer = ids(receiver)
    assert first == again != longer
    assert "abc" not in first
    fields = json.loads(receiver.requests[0].body)["data"]["fields"]
    assert fields["digest"]["count"] == 4
    assert fields["digest"]["kinds"] == {"sign-up": 4}


@pytest.mark.parametrize("text", ["a\nb\0\x1b[31m", "\u202egnp.exe", "<!channel> & <b>", "é😀" * 1000])
def test_text_is_unchanged_and_the_body_ascii(receiver: Receiver, text: str) -> None:
    channel(receiver).deliver([event(text, data={"sub": [text]})])
    (request,) = receiver.requests
    assert request.body.isascii()
    assert json.loads(request.body)["data"] == {"id": event().id, "text": text, "fields": {"sub": [text]}}


def test_values_that_json_has_not(receiver: Receiver) -> None:
    deep: Any = "bottom"
    for _ in range(5000):
        deep = [deep]
    data = {"nan": float("nan"), "inf": float("-inf"), "big": 10**4000, "\ud800": "\ud800", "at": NOON, "deep": deep}
    channel(receiver).deliver([event("\ud800", data=data)])
    sent = json.loads(receiver.requests[0].body)["data"]
    assert sent["text"] == "?"
    assert sent["fields"].pop("deep")[0][0][0]
    assert sent["fields"] == {"nan": "nan", "inf": "-inf", "big": 10**4000, "?": "?", "at": str(NOON)}
    check(receiver)


texts = st.text(st.characters(codec=None))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.integers(10**20, 10**40) | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(texts | st.integers() | st.none(), inner),
)


@given(texts, st.dictionaries(texts, anything), texts, st.datetimes(timezones=st.just(UTC)))
def test_whatever_is_told_is_valid_and_signed(
    receiver: Receiver, text: str, data: dict[str, Any], id_: str, moment: datetime
) -> None:
    told = event(text, data=data, id=id_, time=moment)
    receiver.requests.clear()
    channel(receiver).deliver([told])
    check(receiver)
    (request,) = receiver.requests
    sent = json.loads(request.body, parse_constant=pytest.fail)
    assert sent["data"]["text"] == text.encode("utf-8", "replace").decode()
    assert datetime.fromisoformat(sent["timestamp"]) == moment
    json.dumps(sent, ensure_ascii=False).encode()  # no lone surrogate anywhere
    assert message(told)[0] == request.headers["webhook-id"]


# What the receiver answers


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
def test_delivered(receiver: Receiver, status: int) -> None:
    receiver.answers(response(status, "thanks"))
    channel(receiver).deliver([event()])


@pytest.mark.parametrize(
    "rest", [["x" * 70_000], ["{"], itertools.repeat("x" * 70_000), Slowly(itertools.repeat(b"x"))]
)
def test_a_delivery_does_not_wait_for_what_else_is_said(receiver: Receiver, rest: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    if isinstance(rest, Slowly):
        receiver.answers(Slowly(itertools.chain([head], rest.pieces)))
    else:
        receiver.answers(itertools.chain([head], (piece.encode() for piece in rest)))
    channel(receiver, timeout=600).deliver([event()])


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 507, 599, 999])
def test_what_passes(receiver: Receiver, status: int) -> None:
    error = passing(receiver, response(status, "come back later\nsecond line"))
    assert str(error) == f"127.0.0.1 answered {status} (it said: come back later)"
    assert error.retry_after is None


def test_what_a_proxy_answers_passes(receiver: Receiver) -> None:
    error = passing(receiver, response(407, "sign in first", Retry_After="5"))
    assert "answered 407: a proxy in between asks for a sign-in: set NOTIFICATIONS_HTTPS_PROXY" in str(error)
    assert error.retry_after == 5


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (400, "see its log"),
        (401, "WEBHOOK_SECRET"),
        (403, "WEBHOOK_SECRET"),
        (404, "mend WEBHOOK_URL"),
        (405, "takes no POST: mend WEBHOOK_URL"),
        (410, "wants no more"),
        (413, "too large"),
        (415, "see its log"),
        (422, "see its log"),
        (451, "see its log"),
    ],
)
def test_what_does_not(receiver: Receiver, status: int, advice: str) -> None:
    reason = final(receiver, response(status, "no such \u202eevent\x1b[31m"))
    assert reason.startswith(f"127.0.0.1 answered {status}: ")
    assert advice in reason
    assert reason.endswith(" (it said: no such \ufffdevent\ufffd[31m)")


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("https://new.example.org/hook?key=hidden", "new.example.org"),
        ("//new.example.org:8443/hidden", "new.example.org"),
        ("https://hidden:hidden@new.example.org", "new.example.org"),
        ("/hidden", "another address"),
        ("https://[hidden", "another address"),
        ("", "another address"),
        ("https://\x9b31m/hidden", "\ufffd31m"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_moved(receiver: Receiver, status: int, location: str, place: str) -> None:
    reason = final(receiver, response(status, "hidden", Location=location))
    assert reason == f"127.0.0.1 answered {status}: the address moved to {place}: mend WEBHOOK_URL"


def test_moved_to_nowhere(receiver: Receiver) -> None:
    assert "moved to another address" in final(receiver, response(300))


def test_a_long_answer_is_cut(receiver: Receiver) -> None:
    assert final(receiver, response(400, "\n\n " + "é" * 300)).endswith(f"(it said: {'é' * 200})")


@pytest.mark.parametrize("body", [b"", b" \n ", b"\r\n"])
def test_an_answer_without_a_word(receiver: Receiver, body: bytes) -> None:
    assert final(receiver, response(400, body)).endswith("see its log")


def test_an_answer_in_no_character_set(receiver: Receiver) -> None:
    assert final(receiver, response(400, b"\xff\xfe\0")).endswith("(it said: \ufffd\ufffd\ufffd)")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("30", 30),
        (" 1.5 ", 1.5),
        ("86400", 86400),
        ("999999999", LONGEST),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("1e9", None),
        ("9" * 5000, None),
        ("\xb2", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(receiver: Receiver, status: int, header: str, seconds: float | None) -> None:
    assert passing(receiver, response(status, Retry_After=header)).retry_after == seconds


def test_retry_after_a_date(receiver: Receiver) -> None:
    at = http_date(time.time() + 3600)
    retry_after = passing(receiver, response(503, Retry_After=at)).retry_after
    assert retry_after is not None
    assert 3500 < retry_after <= 3600


# What goes wrong on the way


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n",
        b"hello\r\n\r\n",
        b"HTTP/1.1 20",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 -200 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"\xff" * 100_000,
        b"HTTP/1.1 200 " + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        "reset",
    ],
    ids=itertools.count(),
)
def test_broken_http(receiver: Receiver, answer: Any) -> None:
    reason = str(passing(receiver, answer))
    assert reason.startswith(
        ("127.0.0.1 cannot be reached: ", "127.0.0.1 does not speak HTTP (", "127.0.0.1 answered 103")
    )
    assert len(reason) < 100


def head(status: int, *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} x", *fields, "", ""]).encode()


@pytest.mark.parametrize(
    "answer",
    [
        "silence",
        Slowly(itertools.repeat(b"H")),
        Slowly(itertools.chain([b"HTTP/1.1 200 OK\r\nX: "], itertools.repeat(b"x"))),
        Slowly(itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X: y\r\n"))),
        Slowly(itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n")),
    ],
    ids=["silence", "status", "header", "headers", "continue"],
)
def test_no_answer_in_time(receiver: Receiver, answer: Any) -> None:
    started = time.monotonic()
    error = passing(receiver, answer, timeout=0.4)
    assert time.monotonic() - started < 5
    assert str(error) == "127.0.0.1 did not answer within 0.4 s"


def test_no_answer_and_no_end(receiver: Receiver) -> None:
    error = passing(receiver, itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000))
    # From Python 3.13 on http.client itself ends it.
    assert str(error).endswith(("the answer is too large", "does not speak HTTP (HTTPException)"))


@pytest.mark.parametrize(
    ("rest", "fields"),
    [
        (Slowly([b"no"] * 10_000), ["Content-Length: 20000"]),
        (Slowly([b"2\r\nno\r\n"] * 10_000), ["Transfer-Encoding: chunked"]),
        (Slowly([b"0"] * 10_000), ["Transfer-Encoding: chunked"]),
        (Slowly([b""] * 10_000), ["Content-Length: 20000"]),
        (itertools.repeat(b"no" * 10_000), []),
    ],
    ids=["drip", "chunks", "chunk", "nothing", "endless"],
)
def test_a_reason_is_not_waited_for(receiver: Receiver, rest: Any, fields: list[str]) -> None:
    begin = head(404, *fields)
    pieces = itertools.chain([begin], rest.pieces if isinstance(rest, Slowly) else rest)
    started = time.monotonic()
    reason = final(receiver, Slowly(pieces) if isinstance(rest, Slowly) else pieces, timeout=0.4)
    assert time.monotonic() - started < 5
    assert reason.startswith("127.0.0.1 answered 404: nothing is at this address: mend WEBHOOK_URL")


@pytest.mark.parametrize("text", ["short", "x" * 20_000_000], ids=["short", "long"])
def test_nobody_accepts(text: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(Unavailable, match="did not answer within"):
            Webhook("WEBHOOK", url=url, secret=SECRET, timeout=0.4).deliver([event(text)])


def test_nobody_listens() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1 cannot be reached: .*refused"):
        Webhook("WEBHOOK", url=f"http://127.0.0.1:{free_port()}/", secret=SECRET).deliver([event()])


def test_a_connection_that_is_reset(receiver: Receiver) -> None:
    assert "Connection reset by peer" in str(passing(receiver, "reset"))


def test_no_such_host() -> None:
    with pytest.raises(Unavailable, match=r"no-such-host\.invalid cannot be reached: "):
        Webhook("WEBHOOK", url="https://no-such-host.invalid/", secret=SECRET).deliver([event()])


def test_what_is_refused_before_all_was_sent() -> None:
    def refuse() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(response(413))
            connection.shutdown(socket.SHUT_WR)

    with closing(socket.create_server(("127.0.0.1", 0))) as server, ThreadPoolExecutor(1) as threads:
        refused = threads.submit(refuse)
        with pytest.raises(Undeliverable, match="too large"):
            Webhook("WEBHOOK", url=f"http://127.0.0.1:{server.getsockname()[1]}", secret=SECRET).deliver(
                [event("x" * 20_000_000)]
            )
        refused.result()


def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    channel(receiver).deliver([event()])
    assert receiver.requests[0].path == "/hook"


# TLS


def tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.usefixtures("_trusted")
def test_https(authority: trustme.CA) -> None:
    with Receiver(tls(authority, "127.0.0.1")) as receiver:
        receiver.answers(response(500, "wait"), response(204))
        with pytest.raises(Unavailable, match="it said: wait"):
            channel(receiver).deliver([event()])
        channel(receiver).deliver([event()])
        check(receiver)
    assert len(receiver.requests) == 2


def test_https_of_an_unknown_authority(authority: trustme.CA) -> None:
    with (
        Receiver(tls(authority, "127.0.0.1")) as receiver,
        pytest.raises(Unavailable, match="certificate verify failed"),
    ):
        channel(receiver).deliver([event()])
    assert receiver.requests == []


@pytest.mark.usefixtures("_trusted")
def test_https_of_another_host(authority: trustme.CA) -> None:
    with Receiver(tls(authority, "example.org")) as receiver, pytest.raises(Unavailable, match="not valid for"):
        channel(receiver).deliver([event()])
    assert receiver.requests == []


def test_https_where_there_is_none(receiver: Receiver) -> None:
    url = receiver.url.replace("http:", "https:")
    with pytest.raises(Unavailable, match="cannot be reached"):
        channel(receiver, url=url).deliver([event()])


@pytest.mark.usefixtures("_trusted")
@pytest.mark.parametrize("answer", ["silence", Slowly(itertools.repeat(b"H"))], ids=["silence", "drip"])
def test_https_without_an_answer_in_time(authority: trustme.CA, answer: Any) -> None:
    with Receiver(tls(authority, "127.0.0.1")) as receiver:
        receiver.answers(answer)
        with pytest.raises(Unavailable, match=r"did not answer within 0\.8 s"):
            channel(receiver, timeout=0.8).deliver([event()])


def test_no_handshake_in_time() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(Unavailable, match="did not answer within"):
            Webhook("WEBHOOK", url=url, secret=SECRET, timeout=0.4).deliver([event()])


# What must not be seen


@pytest.mark.parametrize(
    "answer",
    [
        response(404, "Cannot POST /hook?key=hidden"),
        response(500, "/hook?key=hidden"),
        response(302, "hidden", Location="/hook?key=hidden"),
        response(403, f"{SECRET} hidden"),
        b"hidden\r\n",
        "reset",
        "silence",
    ],
    ids=["404", "500", "302", "403", "broken", "reset", "silence"],
)
def test_neither_query_nor_secret_is_in_a_reason_or_a_log(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], answer: Any
) -> None:
    with caplog.at_level(logging.DEBUG):
        error = refusal(receiver, answer, url=f"{receiver.url}?key=hidden", timeout=1)
    out, err = capfd.readouterr()
    told = caplog.text + str(error) + out + err
    assert SECRET not in told
    assert "key" not in told
    assert "hidden" not in told


# What is configured


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("", "WEBHOOK_URL: write the receiver's address"),
        ("hidden.example.org/hook", "https://host/path"),
        ("ftp://hidden.example.org/", "https://host/path"),
        ("file:///hidden", "https://host/path"),
        ("https://", "https://host/path"),
        ("https:///hidden", "https://host/path"),
        ("https://:443/hidden", "https://host/path"),
        ("https://[hidden/", "https://host/path"),
        ("https://hidden:port/", "https://host/path"),
        ("https://hidden:0/", "https://host/path"),
        ("https://hidden:65536/", "https://host/path"),
        ("https://hidden.example.org/a b", "without spaces"),
        ("https://hidden.example.org/a\nb", "without spaces"),
        ("https://hidden.example.org/\x7f", "in ASCII"),
        ("https://hidden.example.org/é", "in ASCII"),
        ("https://hidden.é.example.org/", "in ASCII"),
        (f"https://{'hidden' * 20}.example.org/", "https://host/path"),
        ("https://hidden..example.org/", "https://host/path"),
        ("https://hidden@example.org/", "leave user and password out"),
        ("https://user:hidden@example.org/", "leave user and password out"),
        ("https://@example.org/hidden", "leave user and password out"),
        ("http://hidden.example.org/", "write https://"),
        ("http://10.0.0.1/hidden", "write https://"),
        ("http://127.0.0.1.example.org/hidden", "write https://"),
        (None, "https://host/path"),
    ],
)
def test_an_address_that_is_none(url: Any, advice: str) -> None:
    with pytest.raises(ValueError, match="WEBHOOK_URL: ") as caught:
        Webhook("WEBHOOK", url=url, secret=SECRET)
    assert advice in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "HTTPS://Example.org:8443/a?b=c",
        "https://xn--e1afmkfd.example/",
        "https://[2001:db8::1]/",
        "https://my_host/",
        "http://localhost:9000/",
        "http://127.0.0.2/",
        "http://[::1]:80/",
    ],
)
def test_an_address(url: str) -> None:
    Webhook("WEBHOOK", url=url, secret=SECRET)


def test_an_address_of_ip_version_6() -> None:
    with pytest.raises(Unavailable, match="::1 cannot be reached"):
        Webhook("WEBHOOK", url=f"http://[::1]:{free_port()}/", secret=SECRET).deliver([event()])


@pytest.mark.parametrize(
    "secret",
    ["", "hidden", "whsec_", "whsec_hidden!", "whsec_" + "A" * 28, "whsec_" + "A" * 88, "whsk_" + "A" * 32, None],
)
def test_a_secret_that_is_none(secret: Any) -> None:
    with pytest.raises(ValueError, match="WEBHOOK_SECRET: ") as caught:
        Webhook("WEBHOOK", url="https://example.org/", secret=secret)
    assert "token_bytes(32)" in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_secret_that_the_advice_makes() -> None:
    with pytest.raises(ValueError, match="python -c") as caught:
        Webhook("WEBHOOK", url="https://example.org/", secret="")
    command = shlex.split(str(caught.value).partition("output of ")[2])
    made = subprocess.run([sys.executable, *command[1:]], capture_output=True, text=True, check=True).stdout
    Webhook("WEBHOOK", url="https://example.org/", secret=made)


@pytest.mark.parametrize("secret", ["A" * 32, "whsec_" + "A" * 32, "whsec_" + "A" * 86 + "=="])
def test_a_secret_of_24_to_64_bytes(secret: str) -> None:
    Webhook("WEBHOOK", url="https://example.org/", secret=secret)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_none(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        Webhook("WEBHOOK", url="https://example.org/", secret=SECRET, timeout=timeout)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"url": "https://user:hidden@example.org/", "secret": SECRET}, "WEBHOOK_URL: leave user and password out"),
        ({"url": "https://example.org/", "secret": ""}, "WEBHOOK_SECRET: copy the receiver's"),
        ({"url": "https://example.org/"}, "secret"),
        ({"url": "https://example.org/", "secret": SECRET, "timeout": "10"}, ""),
    ],
)
def test_manage_py_check_says_so(options: dict[str, Any], advice: str) -> None:
    channels = {"WEBHOOK": {"class": CLASS, **options}}
    with override_settings(NOTIFICATIONS_CHANNELS=channels, NOTIFICATIONS_ALERT_CHANNEL="WEBHOOK"):
        (problem,) = run_checks()
    assert problem.id == "notifications.E008"
    assert advice in problem.msg
    assert "hidden" not in problem.msg


@pytest.mark.parametrize(("url", "there"), [("", False), ("https://example.org/hook", True)])
def test_the_site_has_the_channel_where_there_is_an_address(tmp_path: Path, url: str, there: bool) -> None:
    code = "from django.conf import settings as s; print(s.NOTIFICATIONS_CHANNELS.get('WEBHOOK'))"
    env = settings_env(tmp_path) | {"WEBHOOK_URL": url, "WEBHOOK_SECRET": SECRET}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=BASE_DIR, capture_output=True, text=True)
    assert done.stdout == f"{ {'class': CLASS, 'url': url, 'secret': SECRET} if there else None }\n"
