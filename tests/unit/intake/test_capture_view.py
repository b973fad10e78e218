"""POST /in/<source>/: what it answers, and that nothing is stored where it refuses; at the gate and by the view."""

import json
import time
import uuid
from io import BytesIO
from typing import Any, Final

import pytest
from django.core.signals import got_request_exception
from django.db import connection
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from notifications.bodies.storage import LARGE
from notifications.http.signatures import SCHEMES, sign
from notifications.intake import quota
from notifications.models import RawPayload
from notifications.testing import GateClient

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir", "sources")]

CLIENTS: Final[dict[str, type[Client]]] = {"view": Client, "gate": GateClient}
CLIENT = Client(enforce_csrf_checks=True)
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Body:
    """A `wsgi.input` that gives what it has in small pieces and then ends, or breaks."""

    def __init__(self, data: bytes, *, piece: int = 1000, error: Exception | None = None) -> None:
        self._stream, self._piece, self._error = BytesIO(data), piece, error

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size, self._piece) if size >= 0 else self._piece)
        if not data and size and self._error:
            raise self._error
        return data

    def readline(self, size: int = -1) -> bytes:
        raise AssertionError("nobody may parse it")


class InvalidChunk(Exception):
    """As gunicorn raises one: no OSError."""


CHUNKED: Final = {
    "HTTP_TRANSFER_ENCODING": "chunked",
    "wsgi.input_terminated": True,
    "SERVER_SOFTWARE": "gunicorn/27.0.1",
}
NO_CHUNKS: Final = {name: value for name, value in CHUNKED.items() if name != "HTTP_TRANSFER_ENCODING"}


@pytest.fixture(autouse=True, params=CLIENTS)
def _by(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers what is stored."""
    monkeypatch.setitem(globals(), "CLIENT", CLIENTS[request.param](enforce_csrf_checks=True))


@pytest.fixture
def sources(settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {
        "open": {"http": True},
        "small": {"http": True, "max_body_bytes": 10},
        "few": {"http": True, "max_waiting": 2},
        "form": {"http": True, "redirect": "/thanks/"},
        "internal": {},
        **{scheme: {"http": True, "signature": scheme, "secrets": ["old" * 8, SECRET]} for scheme in SCHEMES},
    }


def post(source: str, body: bytes = b"x", length: str | None = None, /, **environ: Any) -> Any:
    environ.setdefault("wsgi.input", Body(body))
    environ.setdefault("CONTENT_LENGTH", str(len(body)) if length is None else length)
    return CLIENT.generic("POST", f"/in/{source}/", **environ)


def post_chunked(source: str, body: bytes, /, **environ: Any) -> Any:
    """As gunicorn hands on a chunked body."""
    return post(source, body, "", **CHUNKED | environ)


def the_payload() -> RawPayload:
    return RawPayload.objects.get()


def test_stores_and_answers_the_receipt() -> None:
    response = post("open", b'{"a": 1}', CONTENT_TYPE="application/json")
    assert response.status_code == 202
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.content) == {"id": str(the_payload().receipt)}


def test_the_slash_at_the_end_is_optional() -> None:
    assert CLIENT.generic("POST", "/in/open", b"x").status_code == 202


@pytest.mark.parametrize("source", ["nobody", "", "%00", "open%2Fopen", "OPEN", "../open", "☃"])
def test_an_unknown_source_is_not_found(source: str) -> None:
    assert post(source).status_code == 404
    assert not RawPayload.objects.exists()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_not_allowed(method: str) -> None:
    response = CLIENT.generic(method, "/in/open/", b"x")
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert not RawPayload.objects.exists()


REFUSED: Final = {
    "short": (400, {"body": b"12345", "length": "6"}),
    "nothing of it": (400, {"body": b"", "length": "1"}),
    "broken": (400, {"length": "9", "wsgi.input": Body(b"1", error=ConnectionResetError())}),
    "no number": (400, {"length": "five"}),
    "negative": (400, {"length": "-1"}),
    "signed": (400, {"length": "+1"}),
    "twice": (400, {"length": "1, 1"}),
    "other digits": (400, {"length": "١"}),
    "underscore": (400, {"length": "1_0"}),
    "no length": (411, {"length": ""}),
    "no length, though the server ends it": (411, {"length": "", "wsgi.input_terminated": True}),
    "no length, of nobody knows what": (411, {"length": "", **NO_CHUNKS, "SERVER_SOFTWARE": "granian/2.8.7"}),
    "no length, of an old gunicorn": (411, {"length": "", **NO_CHUNKS, "SERVER_SOFTWARE": "gunicorn/21.2.0"}),
    "no length, an empty encoding": (411, {"length": "", **CHUNKED, "HTTP_TRANSFER_ENCODING": ""}),
    "chunks that the server does not read": (411, {"length": "", **CHUNKED, "wsgi.input_terminated": False}),
    "chunks of a server that hands on cut ones": (411, {"length": "", **CHUNKED, "SERVER_SOFTWARE": "granian/2.8.7"}),
    "chunks of nobody knows what": (411, {"length": "", **CHUNKED, "SERVER_SOFTWARE": "my gunicorn/27.0.1"}),
    "chunks of an old gunicorn": (411, {"length": "", **CHUNKED, "SERVER_SOFTWARE": "gunicorn/21.2.0"}),
    "an encoding besides": (411, {"length": "", **CHUNKED, "HTTP_TRANSFER_ENCODING": "gzip, chunked"}),
    "chunks and a length": (400, {"length": "1", **CHUNKED}),
    "a length and no known encoding": (400, {"length": "1", "HTTP_TRANSFER_ENCODING": "x"}),
    "a length and an empty encoding": (400, {"length": "1", "HTTP_TRANSFER_ENCODING": ""}),
    "invalid chunks": (400, {"length": "", **CHUNKED, "wsgi.input": Body(b"1", error=InvalidChunk())}),
    "too large": (413, {"source": "small", "body": b"x" * 11}),
    "too large, it says": (413, {"source": "small", "length": "11"}),
    "huge": (413, {"length": "9" * 5000}),
    "empty key": (400, {"HTTP_IDEMPOTENCY_KEY": ""}),
    "long key": (400, {"HTTP_IDEMPOTENCY_KEY": "k" * 256}),
    "key with NUL": (400, {"HTTP_IDEMPOTENCY_KEY": "k\0"}),
}


@pytest.mark.parametrize(("status", "request_"), REFUSED.values(), ids=REFUSED)
def test_refuses_and_stores_nothing(status: int, request_: dict[str, Any]) -> None:
    environ = dict(request_)
    source, body, length = environ.pop("source", "open"), environ.pop("body", b"x"), environ.pop("length", None)
    response = post(source, body, length, **environ)
    assert response.status_code == status
    assert json.loads(response.content)["error"]
    assert not RawPayload.objects.exists()


@pytest.mark.parametrize("size", [0, 1, 9, 10])
def test_a_chunked_body_is_whole(size: int) -> None:
    assert post_chunked("small", b"x" * size).status_code == 202
    assert the_payload().body == b"x" * size


def test_a_chunked_body_that_is_too_large_is_not_read_to_its_end() -> None:
    stream = BytesIO(b"x" * 1000)
    assert post_chunked("small", b"", **{"wsgi.input": stream}).status_code == 413
    assert stream.tell() <= 11
    assert not RawPayload.objects.exists()


@pytest.mark.parametrize("headers", [{}, {"HTTP_TRANSFER_ENCODING": "chunked"}], ids=["nothing", "chunks"])
def test_who_sends_no_length_is_told_to_send_one(headers: dict[str, str]) -> None:
    error = json.loads(post("open", b"x", "", **headers).content)["error"]
    assert error == "send a Content-Length: without one, empty, whole and cut bodies look alike here"


def test_neither_length_nor_chunks_is_an_empty_body_of_a_gunicorn() -> None:
    assert post("open", b"", "", **NO_CHUNKS).status_code == 202
    assert the_payload().body == b""


def test_what_comes_without_a_length_is_never_left_out() -> None:
    """As in HTTP/2, whose bodies need none, and which gunicorn hands on as they came."""
    assert post("small", b"x" * 10, "", **NO_CHUNKS).status_code == 202
    assert the_payload().body == b"x" * 10
    assert post("small", b"x" * 11, "", **NO_CHUNKS).status_code == 413


@pytest.mark.parametrize("error", [ConnectionResetError(), InvalidChunk()])
def test_who_sends_what_cannot_be_read_is_told_so(error: Exception) -> None:
    answer = post_chunked("open", b"", **{"wsgi.input": Body(b"1", error=error)})
    assert json.loads(answer.content)["error"].startswith("the body cannot be read to its end")


def test_no_more_is_read_than_announced() -> None:
    stream = BytesIO(b"oneGET / HTTP/1.1")
    assert post("open", b"", "3", **{"wsgi.input": stream}).status_code == 202
    assert (the_payload().body, stream.tell()) == (b"one", 3)


def test_an_empty_body_is_one() -> None:
    assert post("open", b"").status_code == 202
    assert (the_payload().body, the_payload().size) == (b"", 0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_signatures(scheme: str) -> None:
    body = b'{"amount": 1}\xff'
    signed = {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in sign(scheme, body, SECRET, time.time()).items()}
    for wrong in (post(scheme, body), post(scheme, body + b" ", **signed)):
        assert wrong.status_code == 401
    assert not RawPayload.objects.exists()
    assert post(scheme, body, **signed).status_code == 202
    stored = the_payload()
    assert stored.body == body
    assert sign(scheme, body, SECRET, time.time()).keys() <= stored.headers.keys()


def test_the_same_key_gives_the_first_receipt() -> None:
    first, second = (post("open", b"a", HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.content == second.content
    assert RawPayload.objects.count() == 1


def test_the_same_key_with_other_bytes_is_refused() -> None:
    post("open", b"a", HTTP_IDEMPOTENCY_KEY="k1")
    response = post("open", b"b", HTTP_IDEMPOTENCY_KEY="k1")
    assert response.status_code == 422
    assert the_payload().body == b"a"


def test_a_key_belongs_to_its_source() -> None:
    post("open", b"a", HTTP_IDEMPOTENCY_KEY="k1")
    assert post("form", b"b", HTTP_IDEMPOTENCY_KEY="k1").status_code == 202
    assert RawPayload.objects.count() == 2


def test_a_full_quota_says_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "STALE", 0.0)  # as if time went by
    statuses = [post("few").status_code for _ in range(3)]
    assert statuses == [202, 202, 429]
    assert int(post("few").headers["Retry-After"]) > 0
    assert post("open").status_code == 202
    RawPayload.objects.filter(source="few").update(next_attempt_at=None)
    assert post("few").status_code == 202


class TestQuarantine:
    """A source that keeps what has a bad signature."""

    @pytest.fixture(autouse=True)
    def source(self, settings: Any, sources: None) -> None:
        rules = {"http": True, "signature": "github", "secrets": [SECRET], "bad_signature": "quarantine"}
        settings.NOTIFICATIONS_SOURCES = {"hook": rules | {"max_quarantined": 3}}

    @staticmethod
    def signed(body: bytes) -> dict[str, str]:
        headers = sign("github", body, SECRET, time.time())
        return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}

    def test_is_kept_and_not_due(self) -> None:
        response = post("hook", b"x")
        assert response.status_code == 202
        stored = the_payload()
        assert str(stored.receipt) == json.loads(response.content)["id"]
        assert (stored.state, stored.next_attempt_at, stored.body) == ("quarantined", None, b"x")
        assert "x-hub-signature-256 is missing" in stored.error
        assert RawPayload.objects.next_due() is None

    def test_a_good_one_is_received(self) -> None:
        assert post("hook", b"x", **self.signed(b"x")).status_code == 202
        assert (the_payload().state, the_payload().error) == ("received", "")

    def test_no_more_than_may(self) -> None:
        assert [post("hook").status_code for _ in range(5)] == [202, 202, 202, 401, 401]
        assert RawPayload.objects.count() == 3
        assert post("hook", b"x", **self.signed(b"x")).status_code == 202

    def test_none_that_is_large(self) -> None:
        assert [post("hook", b"x" * size).status_code for size in (LARGE, LARGE + 1)] == [202, 401]

    def test_none_where_none_may(self, settings: Any) -> None:
        none = settings.NOTIFICATIONS_SOURCES["hook"] | {"max_quarantined": 0}
        settings.NOTIFICATIONS_SOURCES = {"hook": none}
        assert post("hook").status_code == 401

    @pytest.mark.parametrize("forged_first", [True, False])
    def test_a_forged_one_takes_no_key_away(self, forged_first: bool) -> None:
        def forge() -> str:
            answer = post("hook", b"forged", HTTP_IDEMPOTENCY_KEY="k1")
            assert answer.status_code == 202
            return str(json.loads(answer.content)["id"])

        forged = [forge()] if forged_first else []
        first = post("hook", b"x", HTTP_IDEMPOTENCY_KEY="k1", **self.signed(b"x"))
        forged += [forge()]
        again = post("hook", b"x", HTTP_IDEMPOTENCY_KEY="k1", **self.signed(b"x"))
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.content == again.content
        assert json.loads(first.content)["id"] not in forged
        assert RawPayload.objects.filter(state="received").count() == 1


@pytest.mark.parametrize("accept", ["text/html,*/*;q=0.8", "*/*"])
def test_browsers_are_sent_on(accept: str) -> None:
    response = post("form", HTTP_ACCEPT=accept)
    if "html" in accept:
        assert response.status_code == 303
        assert response.headers["Location"] == f"/thanks/?receipt={the_payload().receipt}"
    else:
        assert response.status_code == 202


def test_the_receipt_is_a_uuid_and_never_the_same() -> None:
    receipts = {uuid.UUID(json.loads(post("open").content)["id"]) for _ in range(3)}
    assert len(receipts) == 3


def test_what_else_is_stored() -> None:
    secret = dict.fromkeys(
        ("HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION", "HTTP_COOKIE", "HTTP_X_API_KEY"), "geheim"
    )
    odd = {"HTTP_X_ODD": "\xff\xfe\x80", "HTTP_STRIPE_SIGNATURE": "t=1,v1=0", "HTTP_IDEMPOTENCY_KEY": "key-1"}
    response = post("open", CONTENT_TYPE="text/x\xff", QUERY_STRING="a=\0&b=%00", **odd, **secret)
    assert response.status_code == 202
    stored = the_payload()
    assert "geheim" not in stored.headers_json
    assert stored.headers["x-odd"] == "\xff\xfe\x80"
    assert stored.headers["stripe-signature"] == "t=1,v1=0"
    assert (stored.method, stored.path, stored.query) == ("POST", "/in/open/", "a=\ufffd&b=%00")
    assert (stored.content_type, stored.remote_addr) == ("text/x\xff", "127.0.0.1")
    assert (stored.idempotency_key, stored.state, stored.attempts) == ("key-1", "received", 0)


def test_ten_thousand_headers() -> None:
    assert post("open", **{f"HTTP_X_{number}": "v" for number in range(10_000)}).status_code == 202
    assert len(the_payload().headers) >= 10_000


def test_the_clients_address(settings: Any) -> None:
    settings.NOTIFICATIONS_TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert post("open", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="6.6.6.6, 203.0.113.5").status_code == 202
    assert the_payload().remote_addr == "203.0.113.5"


def test_is_exempt_from_atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def look(*_: object) -> str:
        seen.append(len(connection.savepoint_ids))
        return "id"

    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    monkeypatch.setattr("notifications.intake.answer.store_post", look)
    before = len(connection.savepoint_ids)
    assert post("open").status_code == 202
    assert seen == [before]


def break_down(*_: object, **__: object) -> None:
    raise ZeroDivisionError("nobody expects it")


def quiet() -> Client:
    """A client that does not raise what was reported."""
    return type(CLIENT)(raise_request_exception=False)


@pytest.fixture
def _broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.intake.capture_post.store", break_down)


@pytest.mark.usefixtures("_broken")
class TestAnUnexpectedException:
    def test_asks_the_sender_to_try_again(self) -> None:
        response = quiet().generic("POST", "/in/open/", b"x")
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert json.loads(response.content) == {
            "error": "it was not stored, for a reason that is in our log: send it again"
        }
        assert "no-store" in response["Cache-Control"]

    def test_a_browser_gets_a_page(self) -> None:
        response = quiet().generic("POST", "/in/form/", b"x", headers={"accept": "text/html"})
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert "Go back, and try again in 5 seconds." in response.text

    def test_is_reported_as_django_reports_it(self, caplog: pytest.LogCaptureFixture) -> None:
        seen: list[Any] = []
        got_request_exception.connect(lambda **sent: seen.append(sent["request"].path), weak=False, dispatch_uid="seen")
        quiet().generic("POST", "/in/open/", b"x")
        assert got_request_exception.disconnect(dispatch_uid="seen")
        record = caplog.records[-1]
        assert (record.name, record.levelname) == ("django.request", "ERROR")
        assert record.getMessage() == "Service Unavailable: /in/open/"
        assert record.exc_info is not None
        assert record.exc_info[0] is ZeroDivisionError
        assert record.__dict__["status_code"] == 503
        assert record.__dict__["request"].path == "/in/open/"
        assert seen == ["/in/open/"]
        assert len(caplog.records) == 1

    def test_a_test_sees_it(self) -> None:
        with pytest.raises(ZeroDivisionError):
            CLIENT.generic("POST", "/in/open/", b"x")

    def test_is_propagated_where_django_propagates_it(self, settings: Any) -> None:
        settings.DEBUG_PROPAGATE_EXCEPTIONS = True
        with pytest.raises(ZeroDivisionError):
            quiet().generic("POST", "/in/open/", b"x")


@given(
    st.binary(max_size=3000),
    st.integers(1, 700),
    st.booleans(),
    st.sampled_from(["", "multipart/form-data; boundary=x"]),
)
def test_the_bytes_are_the_ones_that_were_sent(body: bytes, piece: int, chunked: bool, content_type: str) -> None:
    send = post_chunked if chunked else post
    response = send("open", body, CONTENT_TYPE=content_type, **{"wsgi.input": Body(body, piece=piece)})
    stored = RawPayload.objects.get(receipt=json.loads(response.content)["id"])
    assert bytes(stored.body) == body
    assert stored.size == len(body)


def test_multipart_is_not_parsed() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n\0\xff\r\n--b--\r\n'
    assert post("open", body, CONTENT_TYPE="multipart/form-data; boundary=b").status_code == 202
    assert the_payload().body == body
