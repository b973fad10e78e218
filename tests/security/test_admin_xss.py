"""What strangers send is text to whoever looks at it in the admin, on every page that shows it."""

import json
from typing import Any, Final

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from notifications.models import FailedDelivery, FailureGroup, RawPayload, State
from proppy.models import ContactMessage, Photo, Step
from tests.security.markup import crawl, problems
from tests.support.admin import FAILED, FAILURES, LIST, act, everything, payload
from tests.support.in_process import work_off
from tests.support.stranger import CONTACT, Posts

pytestmark = pytest.mark.django_db

#: Markup that is code in text, in an attribute of either quote, in a script, a style, a comment and an address.
EVIL: Final = (
    "\"'--></title></textarea></pre></script><script>alert(1)</script>"
    "<img src=x onerror=alert(1)><a href='javascript:alert(1)'>"
)
ADDRESS: Final = "javascript:alert(1)//"

BODIES: Final = {
    "text/html": EVIL,
    "text/plain": EVIL,
    "application/json": json.dumps({EVIL: [EVIL, {"href": ADDRESS}]}),
    "application/json; charset=utf-7": "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "application/x-www-form-urlencoded": f"{EVIL}={EVIL}&url={ADDRESS}",
    "image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "multipart/form-data; boundary=x": (
        f'--x\r\nContent-Disposition: form-data; name="{EVIL[2:]}"; filename="{EVIL[2:]}"\r\n'
        f"Content-Type: {EVIL}\r\n\r\n{EVIL}\r\n--x--\r\n"
    ),
    EVIL: EVIL,
}


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", first_name=EVIL)


@pytest.fixture
def hostile(root: User) -> Client:
    """Everything that the admin shows, full of markup, and who looks at it."""
    everything()
    for content_type, body in BODIES.items():
        payload(body.encode(), content_type, headers={"referer": ADDRESS, "x-evil": EVIL}, path=ADDRESS, query=EVIL)
    for name in (EVIL, ADDRESS):
        now = timezone.now()
        Photo.objects.create(
            owner=root, receipt=f"{len(name):032}", state="refused", reason=name, content_type=name[:30]
        )
        ContactMessage.objects.create(
            receipt=f"{len(name):032}", name=name, email=name, text=name, errors={name: [name]}
        )
        Step.objects.create(trace="a", actor=name[:60], ref=name[:100], what=name, at=now, milliseconds=1)
        FailedDelivery.objects.create(channel="SLACK", event_time=now, text=name, reason=name, event_id=name, data={})
        User.objects.create_user(f"{name}@example.org"[-150:], name, first_name=name[:150])
    about = ContentType.objects.get_for_model(Photo)
    LogEntry.objects.create(
        user=root, content_type=about, object_id="1", object_repr=EVIL[:200], action_flag=CHANGE, change_message=EVIL
    )
    client = Client()
    client.force_login(root)
    return client


@pytest.mark.slow
def test_no_page_that_a_link_leads_to_runs_it(hostile: Client) -> None:
    seen = dict(crawl(hostile, "/admin/", most=250))
    assert len(seen) > 60
    assert {address: problems(page) for address, page in seen.items() if problems(page)} == {}
    shown = [address for address, page in seen.items() if "onerror=alert(1)" in page]
    for part in (
        "/admin/",
        "rawpayload/",
        "failuregroup/",
        "faileddelivery/",
        "contactmessage/",
        "photo/",
        "step/",
        "user/",
    ):
        assert any(part in address for address in shown), part


@pytest.mark.parametrize(
    "model",
    ["rawpayload", "failuregroup", "faileddelivery", "position", "loss", "refusal", "reportrow", "operatoraction"],
)
def test_no_search_and_no_filter_runs_it(hostile: Client, model: str) -> None:
    names = [
        "q",
        "source",
        "state",
        "until",
        "e",
        "p",
        "o",
        "failure",
        "channel",
        "after",
        "before",
        "_popup",
        "next",
        "period",
        "part",
    ]
    names += ["reason", "again", "seen", "to"]
    for name in names:
        for value in (EVIL, ADDRESS):
            page = hostile.get(f"/admin/notifications/{model}/", {name: value}, follow=True)
            assert problems(page.text) == [], name


def test_no_bodies_side_by_side_run_it(hostile: Client) -> None:
    """Each kind of body on both sides."""
    (failing,) = FailureGroup.objects.all()
    RawPayload.objects.filter(failure=failing).exclude(pk=RawPayload.objects.order_by("pk")[0].pk).update(failure=None)
    for content_type, body in BODIES.items():
        done = {"state": State.DONE, "done_at": timezone.now(), "next_attempt_at": None}
        payload(f"{body}!".encode(), content_type, source=failing.source, **done)
        payload(body.encode(), content_type, source=failing.source, state=State.DEAD, failure=failing)
        page = hostile.get(f"{FAILURES}{failing.pk}/compare/")
        assert problems(page.text) == []
        assert "It is good" in page.text


@pytest.mark.parametrize("action", ["retry", "retry_one", "give_up", "acknowledge", "mute", "resolve", "reopen"])
def test_no_action_on_a_group_runs_it(hostile: Client, action: str) -> None:
    failing = FailureGroup.objects.get()
    for more in ({}, {"confirmed": "yes"}, {"from_page": ADDRESS}, {"mute_for": EVIL}):
        assert problems(act(hostile, action, failing, address=FAILURES, **more)) == []


@pytest.mark.parametrize("action", ["process_again", "give_up", "verify_again", EVIL])
def test_no_question_and_no_answer_of_an_action_runs_it(hostile: Client, action: str) -> None:
    some = list(RawPayload.objects.all()[:5])
    for more in ({}, {"confirmed": "yes"}, {"from_page": ADDRESS}, {"select_across": EVIL}, {"index": "0"}):
        assert problems(act(hostile, action, *some, **more)) == []


def test_nor_do_those_of_groups_and_of_failed_deliveries(hostile: Client) -> None:
    for address, actions in (
        (FAILURES, ("retry", "give_up")),
        (FAILED, ("send_again", "send_same_again", "delete_selected")),
    ):
        for action in actions:
            rows = list(hostile.get(address).context["cl"].result_list)
            assert rows
            assert problems(act(hostile, action, *rows, address=address)) == []
            assert problems(act(hostile, action, *rows, address=address, confirmed="yes", from_page=ADDRESS)) == []


@pytest.mark.parametrize("body", BODIES.values(), ids=[name[:20] for name in BODIES])
def test_a_download_is_a_file_whatever_is_in_it(body: str, root: User) -> None:
    stored = payload(body.encode(), "text/html", state=State.DEAD)
    client = Client()
    client.force_login(root)
    answer = client.get(f"{LIST}{stored.pk}/body/")
    assert b"".join(answer) == body.encode()
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == f'attachment; filename="{stored.receipt}.bin"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_what_comes_through_the_front_door_is_text_too(
    client: Client, stranger: Client, posts: Posts, root: User
) -> None:
    """The whole way: forms and posts, workers, admin."""
    name = EVIL[:100]
    client.post("/sign-up/", {"name": name, "email": "eve@example.org"})
    client.post("/photos/", {"photo": SimpleUploadedFile(name, EVIL.encode(), "image/png")})
    headers: Any = {"user-agent": EVIL, "referer": ADDRESS, "idempotency-key": EVIL[:200], "x-forwarded-for": EVIL}
    for content_type in BODIES:
        body = BODIES[content_type].encode()
        stranger.post(CONTACT, body, content_type=content_type, headers=headers | {"idempotency-key": content_type})
        stranger.post(
            f"/in/demo/?{EVIL}", body, content_type=content_type, headers=headers | {"idempotency-key": content_type}
        )
    assert posts.stored(2 * len(BODIES))
    work_off()
    assert {address: problems(page) for address, page in crawl(client, "/") if problems(page)} == {}
    client.force_login(root)
    seen = dict(crawl(client, "/admin/", most=100))
    assert RawPayload.objects.count() > 15
    assert {address: problems(page) for address, page in seen.items() if problems(page)} == {}
