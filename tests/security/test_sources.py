"""Who may post where, and that no secret is compared letter by letter."""

import ast
import hmac
import json
from pathlib import Path
from typing import Any, Final

import pytest
from django.conf import settings as site_settings
from django.test import Client

from notifications import health, keep
from notifications.conf import Source
from notifications.http.signatures import SCHEMES, BadSignature, sign, verify
from notifications.models import RawPayload
from tests.support.stranger import Posts

ROOT: Final = Path(__file__).resolve().parents[2]
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
INTERNAL: Final = [name for name, options in site_settings.NOTIFICATIONS_SOURCES.items() if not options.get("http")]

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("source", INTERNAL)
@pytest.mark.parametrize(
    "path",
    [
        "/in/{}",
        "/in/{}/",
        "/in//{}/",
        "/in/./{}/",
        "/in/contact/../{}/",
        "/in/contact%2f..%2f{}/",
        "/in/{}%00/",
        "/in/{}%20/",
        "/in/{}%2f",
        "/in/{};x=1/",
        "/in/contact/{}/",
        "/IN/{}/",
    ],
)
def test_an_internal_source_has_no_address(stranger: Client, source: str, path: str, posts: Posts) -> None:
    for written in {source, source.upper(), source.title(), f"%{ord(source[0]):02x}{source[1:]}"}:
        answer = stranger.post(path.format(written), b"{}", content_type="application/json")
        assert answer.status_code == 404, written
    assert not RawPayload.objects.exists()
    assert posts.stored(0)
    assert not stranger.cookies  # with one, the gate would not look at the next post


@pytest.mark.parametrize("source", INTERNAL)
def test_nobody_learns_which_there_are(stranger: Client, source: str, posts: Posts) -> None:
    for method in ("POST", "GET", "PUT", "OPTIONS"):
        hidden, none = (stranger.generic(method, f"/in/{name}/", b"x") for name in (source, "no-such-source"))
        assert (hidden.status_code, hidden.content) == (none.status_code, none.content)
        assert hidden.headers.keys() == none.headers.keys()
    assert posts.stored(0)
    assert not stranger.cookies  # with one, the gate would not look at the next post


@pytest.mark.parametrize(
    "header", ["x-source", "x-http-method-override", "x-original-url", "x-rewrite-url", "x-forwarded-path"]
)
def test_no_header_changes_the_address(stranger: Client, posts: Posts, header: str) -> None:
    answer = stranger.post("/in/demo/", b"x", content_type="text/plain", headers={header: "/in/welcome/"})
    assert answer.status_code == 202
    assert RawPayload.objects.get().source == "demo"
    assert posts.stored(1)


def test_a_key_takes_no_receipt_of_an_internal_source(stranger: Client, posts: Posts) -> None:
    ours = keep("welcome", b"{}", key="1")
    answer = stranger.post("/in/demo/", b"evil", content_type="text/plain", headers={"idempotency-key": "1"})
    assert json.loads(answer.content)["id"] != str(ours)
    assert RawPayload.objects.get(receipt=ours).body == b"{}"
    assert posts.stored(1)


def test_a_new_source_is_closed() -> None:
    assert Source(name="new").http is False


REAL: Final = hmac.compare_digest


class Compared:
    """`hmac.compare_digest`, which notes that it was asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, one: Any, other: Any) -> bool:
        self.count += 1
        return REAL(one, other)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Compared:
    compared = Compared()
    monkeypatch.setattr(hmac, "compare_digest", compared)
    monkeypatch.setattr(health, "compare_digest", compared)
    return compared


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_signature_is_compared_with_each_secret_whatever_comes_first(scheme: str, compared: Compared) -> None:
    """The time that it takes says neither where two differ, nor which secret it was."""
    others = [f"whsec_{letter * 32}" for letter in "AB"]
    for secrets in ([SECRET, *others], [*others, SECRET]):
        compared.count = 0
        verify(scheme, sign(scheme, b"x", SECRET, 1000.0), b"x", secrets=secrets, tolerance=300, now=1000.0)
        assert compared.count == 3
    compared.count = 0
    with pytest.raises(BadSignature):
        verify(scheme, sign(scheme, b"x", SECRET, 1000.0), b"y", secrets=[SECRET, *others], tolerance=300, now=1000.0)
    assert compared.count == 3


def test_so_is_the_token_of_the_status_pages(client: Client, settings: Any, compared: Compared) -> None:
    settings.NOTIFICATIONS_STATUS_TOKEN = "secret"
    for given, status in (("Bearer secret", 200), ("Bearer secre", 404), ("Bearer é", 404), ("secret", 404)):
        answer = client.get("/metrics", REMOTE_ADDR="203.0.113.9", headers={"authorization": given})
        assert answer.status_code == status
    assert compared.count == 4


#: Modules that hold what is secret, or is made of it.
KEEPERS: Final = [
    "notifications/http/signatures.py",
    "notifications/health.py",
    "notifications/channels/webhook.py",
    "notifications/intake/capture_post.py",
    "notifications/intake/keep_bytes.py",
    "proppy/sign_in.py",
    "proppy/visits.py",
]
NAMES: Final = frozenset(
    {"digest", "hmac", "key", "keys", "mac", "right", "secret", "secrets", "sent", "signature", "token"}
)


@pytest.mark.parametrize("path", KEEPERS)
def test_no_secret_is_compared_by_an_operator(path: str) -> None:
    found = [ast.unparse(node) for node in ast.walk(ast.parse((ROOT / path).read_text())) if _compares(node)]
    assert found == []


def _compares(node: ast.AST) -> bool:
    """Whether it compares something that is called like a secret with anything but None."""
    if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn):
        return False
    return any(_name(side) in NAMES for side in (node.left, *node.comparators))


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


class TestStatusPages:
    """Behind a proxy that is believed, too."""

    @pytest.mark.parametrize(
        "forwarded", ["127.0.0.1, 6.6.6.6", "::1,6.6.6.6", "6.6.6.6", "127.0.0.1,unknown", "127.0.0.1:80", "localhost"]
    )
    @pytest.mark.parametrize("path", ["/readyz", "/metrics"])
    def test_nobody_passes_for_this_machine(self, client: Client, settings: Any, path: str, forwarded: str) -> None:
        settings.NOTIFICATIONS_TRUSTED_PROXIES = ["10.0.0.1"]
        for peer in ("10.0.0.1", "203.0.113.9"):
            headers = {"x-forwarded-for": forwarded, "x-real-ip": "127.0.0.1", "forwarded": "for=127.0.0.1"}
            assert client.get(path, REMOTE_ADDR=peer, headers=headers).status_code == 404

    def test_an_empty_token_opens_nothing(self, client: Client, settings: Any) -> None:
        settings.NOTIFICATIONS_STATUS_TOKEN = ""
        for given in ("", "Bearer", "Bearer "):
            answer = client.get("/metrics", REMOTE_ADDR="203.0.113.9", headers={"authorization": given})
            assert answer.status_code == 404


def test_nginx_lets_no_name_with_an_underscore_pass() -> None:
    """To WSGI X_Forwarded_For is X-Forwarded-For: who may send the one would choose an address."""
    assert "underscores_in_headers" not in (ROOT / "deploy" / "nginx" / "proppy.conf").read_text()
