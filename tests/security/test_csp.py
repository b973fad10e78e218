"""What each page tells browsers to allow: its own files, and nothing that is written into it."""

from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Dialog, Page

from notifications.models import State
from proppy.sign_in import token_for
from tests.security.markup import problems
from tests.support.admin import FAILURES, LIST, group, payload
from tests.support.processes import Site

SECRET: Final = "hunter2-in-a-traceback"


def policy(answer: Any) -> dict[str, list[str]]:
    """The header's directives; asserts that there is one header."""
    assert "Content-Security-Policy-Report-Only" not in answer
    parts = [part.split() for part in answer["Content-Security-Policy"].split(";") if part.strip()]
    return {name: sources for name, *sources in parts}


def assert_strict(answer: Any) -> None:
    rules = policy(answer)
    assert rules["default-src"] == ["'self'"]
    for name in ("object-src", "base-uri", "frame-ancestors"):
        assert rules[name] == ["'none'"], name
    assert rules["form-action"] == ["'self'"]
    scripts = rules.keys() & {
        "script-src",
        "script-src-elem",
        "script-src-attr",
        "style-src",
        "style-src-elem",
        "style-src-attr",
    }
    assert all(rules[name] == ["'self'"] for name in scripts)
    assert set(rules["img-src"]) <= {"'self'", "data:"}
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert problems(answer.text) == []


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org", "ada@example.org", first_name="Ada")


@pytest.mark.django_db
class TestPages:
    @pytest.mark.parametrize(
        "path", ["/", "/sign-up/", "/sign-in/", "/activity/", "/admin/login/", "/nothing/", "/photos/9/"]
    )
    def test_of_strangers(self, client: Client, path: str) -> None:
        answer = client.get(path)
        assert_strict(answer)
        assert answer["X-Frame-Options"] == "DENY"

    def test_of_somebody_who_is_signed_in(self, client: Client, ada: User) -> None:
        assert_strict(client.get(f"/sign-in/{token_for(ada)}/"))
        client.force_login(ada)
        assert_strict(client.get("/"))
        assert_strict(client.post("/photos/"))

    def test_of_forms_that_are_wrong(self, client: Client) -> None:
        assert_strict(client.post("/sign-up/", {"name": "<b>", "email": "<b>"}))
        assert_strict(client.post("/sign-in/", {"email": "<b>"}))
        refused = client.post("/in/contact/", {"a": "b"}, headers={"accept": "text/html", "idempotency-key": "\n"})
        assert refused.status_code == 400
        assert_strict(refused)

    def test_of_the_admin(self, client: Client) -> None:
        client.force_login(User.objects.create_superuser("root"))
        stored, failing = payload(state=State.DEAD), group()
        for path in (
            "/admin/",
            "/admin/notifications/status/",
            LIST,
            f"{LIST}{stored.pk}/change/",
            f"{FAILURES}{failing.pk}/change/",
            f"{FAILURES}{failing.pk}/compare/",
            "/admin/auth/user/add/",
            "/admin/password_change/",
            "/admin/notifications/nothing/",
        ):
            answer = client.get(path)
            assert_strict(answer)
            assert answer["X-Frame-Options"] == "DENY"
        assert_strict(client.post(LIST, {"action": "process_again", "index": "0", "_selected_action": stored.pk}))

    def test_of_refusals(self) -> None:
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        for answer, status in (
            (client.post("/sign-up/"), 403),
            (client.get("/", headers={"host": "evil.example"}), 400),
            (client.get("/sign-out/"), 405),
        ):
            assert answer.status_code == status
            assert_strict(answer)

    def test_of_our_own_failures(self, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        """And the page says nothing of what went wrong."""

        def fail(*_: object) -> None:
            raise ValueError(SECRET)

        monkeypatch.setattr("proppy.views.live_parts", fail)
        answer = Client(raise_request_exception=False).get("/")
        assert answer.status_code == 500
        assert_strict(answer)
        assert SECRET not in answer.text
        assert "Traceback" not in answer.text
        assert settings.SECRET_KEY not in answer.text


HOSTILE: Final = """
from django.contrib.auth.models import User
from django.utils import timezone
from notifications import keep
from notifications.models import FailureGroup, RawPayload, State
User.objects.create_superuser("root", password="only-for-this-test", first_name="{evil}")
now = timezone.now()
group = FailureGroup.objects.create(
    source="contact", fingerprint="x", title="{evil}", place="{evil}", first_at=now, last_at=now, attempts=1
)
for kind in ("text/html", "application/json", "application/x-www-form-urlencoded", "{evil}"):
    receipt = keep("contact", b"{evil}", content_type=kind, headers={{"x-evil": "{evil}"}})
    RawPayload.objects.filter(receipt=receipt).update(
        state=State.DEAD, next_attempt_at=None, failure=group, error="{evil}", path="{evil}", query="{evil}"
    )
"""
EVIL: Final = "</pre></script><script>alert(1)</script><img src=x onerror=alert(1)><b style=color:red onclick=alert(1)>"


@pytest.mark.services
def test_a_browser_finds_nothing_to_forbid(site: Site, page: Page) -> None:
    """The fixture fails for each breach of the policy that Chromium's console tells of; a dialog is one that ran."""
    site.migrate()
    site.manage("shell", "--verbosity", "0", "-c", HOSTILE.format(evil=EVIL))
    site.start("web")
    dialogs: list[str] = []

    def note(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    for path in ("/", "/sign-up/", "/sign-in/", "/admin/login/"):
        page.goto(f"{site.url}{path}")
    page.get_by_label("Username:").fill("root")
    page.get_by_label("Password:").fill("only-for-this-test")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{site.url}/**")
    for path in (
        "/admin/",
        "/admin/notifications/status/",
        LIST,
        f"{LIST}?q={EVIL}",
        *(f"{LIST}{pk}/change/" for pk in range(1, 5)),
        FAILURES,
        f"{FAILURES}1/change/",
        "/admin/auth/user/",
        "/admin/auth/user/1/change/",
        "/admin/auth/user/1/history/",
        "/admin/password_change/",
        "/admin/proppy/contactmessage/",
    ):
        answer = page.goto(f"{site.url}{path}")
        assert answer is not None
        assert answer.status == 200, path
    assert "onerror=alert(1)" in page.goto(f"{site.url}{LIST}1/change/").text()  # type: ignore[union-attr]
    assert dialogs == []


@pytest.mark.services
def test_a_browser_would_forbid_it(site: Site, browser: Browser) -> None:
    """So that the test above can fail."""
    site.migrate()
    site.start("web")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(site.url)
        script = "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s)"
        with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
            page.evaluate(f"() => {{ {script} }}")
        assert page.evaluate("() => window.ran") is None
