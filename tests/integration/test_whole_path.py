"""The whole path with the real thing at each step: web server, workers, journald, SMTP, S3; and Slack over HTTP."""

import json
import uuid
from contextlib import suppress
from http.client import HTTPException
from io import BytesIO
from threading import Thread

import pytest
from PIL import Image

from tests.support.journald import JournaldNamespace
from tests.support.processes import Name, Site
from tests.support.reading import Reading
from tests.support.s3 import S3Server
from tests.support.slack import FakeSlack, RateLimited
from tests.support.smtp import MailServer
from tests.support.visitor import Visitor
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

WORKERS: tuple[Name, ...] = ("follow_journal", "process_raw")
SIGNED_UP = "Ada signed up"
UPLOADED = "Ada uploaded a photo (320 x 240)"
WROTE = "Contact from Ada &amp; &lt;b&gt;Co&lt;/b&gt;: read it in the admin under Contact messages"


class Whole:
    """The site, all that stands around it, and a visitor who uses all of it."""

    def __init__(
        self, site: Site, journald: JournaldNamespace, slack: FakeSlack, mail: MailServer, s3: S3Server
    ) -> None:
        self.site, self.slack, self.mail, self.s3 = site, slack, mail, s3
        self.reading = Reading(site)
        self.photo = _noise()
        site.env |= slack.env | mail.env | s3.env
        site.env |= {"JOURNAL_URL": journald.url, "TEXT_JOURNAL_URL": journald.url}
        site.migrate()
        site.start("web")

    def sign_up(self) -> Visitor:
        visitor = self.site.browse()
        visitor.get("/")
        answer = visitor.post_form("/sign-up/", name="Ada", email="ada@example.org")
        assert answer.url.endswith("/"), answer.text
        return visitor

    def upload(self, visitor: Visitor) -> None:
        answer = visitor.upload("/photos/", "photo", "me.jpg", self.photo, content_type="image/jpeg")
        assert answer.url.endswith("/"), answer.text

    def contact(self, visitor: Visitor) -> None:
        fields = {"name": "Ada & <b>Co</b>", "email": "ada@example.org", "text": "Hello"}
        assert visitor.post_form("/in/contact/", **fields).status == 202

    def texts(self) -> list[str]:
        return [message["text"] for message in self.slack.messages]

    def wait_until_done(self) -> None:
        wait_for(lambda: self.reading.unfinished() == 0, message="all payloads done", timeout=60)
        wait_for(lambda: {SIGNED_UP, UPLOADED, WROTE} <= set(self.texts()), message="Slack's messages", timeout=60)
        wait_for(lambda: len(self.counted()) == 3, message="report rows", timeout=60)

    def counted(self) -> dict[str, int]:
        """The report, without the statistics of requests."""
        names = {"sign-up", "photo upload", "contact form"}
        return {name: count for name, count in self.reading.reports().items() if name in names}

    def assert_effects_once(self) -> None:
        """What is in a database or a bucket is there exactly once."""
        self.wait_until_done()
        assert self.counted() == {"sign-up": 1, "photo upload": 1, "contact form": 1}
        assert [self.s3.read(key) for key in self.s3.keys()]  # noqa: SIM118  no dictionary == [self.photo]
        rows = self.reading.rows
        assert rows("SELECT count(*) FROM proppy_contactmessage") == [(1,)]
        assert rows("SELECT state FROM proppy_photo") == [("shown",)]
        assert rows("SELECT state, count(*) FROM notifications_rawpayload GROUP BY state") == [("done", 3)]
        assert rows("SELECT * FROM notifications_loss") == []
        assert rows("SELECT * FROM notifications_faileddelivery") == []


def _noise() -> bytes:
    file = BytesIO()
    Image.effect_noise((320, 240), 80).convert("RGB").save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def whole(site: Site, journald: JournaldNamespace, slack: FakeSlack, mail_server: MailServer, s3: S3Server) -> Whole:
    return Whole(site, journald, slack, mail_server, s3)


def test_everything_arrives_once(whole: Whole) -> None:
    for name in WORKERS:
        whole.site.start(name)
    visitor = whole.sign_up()
    whole.upload(visitor)
    whole.contact(visitor)
    whole.assert_effects_once()
    assert sorted(whole.texts()) == sorted([SIGNED_UP, UPLOADED, WROTE])
    assert {message["channel"] for message in whole.slack.messages} == {"#proppy"}
    assert [mail["To"] for mail in whole.mail.messages] == ["ada@example.org"]
    wait_for(lambda: f"Sent to Slack: {SIGNED_UP}" in visitor.get("/").text, message="the page to show it")
    assert [whole.site.terminate(name) for name in WORKERS] == [0, 0]


def test_slack_limits_fails_hangs_up_and_is_silent_and_gets_the_message_once(whole: Whole) -> None:
    whole.slack.answers(RateLimited(1), 500, "reset", "timeout", {"ok": False, "error": "fatal_error"})
    whole.site.start("follow_journal")
    whole.sign_up()
    wait_for(lambda: whole.texts() == [SIGNED_UP], timeout=60)
    assert len(whole.slack.requests) == 6


def test_follower_killed_while_slack_takes_a_message(whole: Whole) -> None:
    whole.slack.answers("timeout")
    whole.site.start("follow_journal")
    whole.sign_up()
    wait_for(lambda: whole.slack.requests, message="a request that hangs")
    whole.site.kill("follow_journal")
    whole.slack.release()
    whole.site.start("follow_journal")
    wait_for(lambda: whole.texts() == [SIGNED_UP], timeout=30)
    wait_for(lambda: whole.reading.reports().get("sign-up") == 1)


def test_worker_killed_while_it_uploads(whole: Whole) -> None:
    """The photo's bytes are on their way to a bucket that has stopped answering."""
    whole.s3.pause()
    for name in WORKERS:
        whole.site.start(name)
    visitor = whole.sign_up()
    whole.upload(visitor)
    whole.contact(visitor)
    processing = "SELECT source FROM notifications_rawpayload WHERE state = 'processing'"
    wait_for(lambda: ("photo",) in whole.reading.rows(processing), message="the photo in hand")
    whole.site.kill("process_raw")
    whole.s3.resume()
    whole.site.start("process_raw")
    whole.assert_effects_once()
    assert {mail["To"] for mail in whole.mail.messages} == {"ada@example.org"}


def test_web_server_killed_after_its_answers(whole: Whole) -> None:
    visitor = whole.sign_up()
    whole.upload(visitor)
    whole.contact(visitor)
    whole.site.kill("web")
    for name in WORKERS:
        whole.site.start(name)
    whole.assert_effects_once()
    assert sorted(whole.texts()) == sorted([SIGNED_UP, UPLOADED, WROTE])


def test_web_server_killed_while_it_answers(whole: Whole) -> None:
    """Whoever got a receipt is served once; whoever got none is told so by the broken connection, and asks again."""
    for name in WORKERS:
        whole.site.start(name)
    receipts: list[str] = []
    for life in range(3):
        poster = Thread(target=post_until_refused, args=[whole.site, receipts])
        poster.start()
        wait_for(lambda reach=(life + 1) * 20: len(receipts) >= reach, message="posts on their way")  # type: ignore[misc]  # mypy types no defaults of lambdas
        whole.site.kill("web")
        poster.join()
        whole.site.start("web")
    wait_for(lambda: whole.reading.unfinished() == 0, message="all payloads done", timeout=60)
    served = [uuid.UUID(receipt) for (receipt,) in whole.reading.rows("SELECT receipt FROM proppy_contactmessage")]
    assert len(served) == len(set(served))
    assert {uuid.UUID(receipt) for receipt in receipts} <= set(served)
    # At most the post in hand at each kill was stored without its answer getting out.
    assert len(served) <= len(receipts) + 3


def post_until_refused(site: Site, receipts: list[str]) -> None:
    """Post contact forms one after the other, and note each receipt, until the server has gone."""
    form = b"name=Ada&email=ada%40example.org&text=Hello"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    visitor = site.browse()
    with suppress(OSError, HTTPException):
        while True:
            answer = visitor.post("/in/contact/", form, headers)
            assert answer.status == 202
            receipts.append(json.loads(answer.body)["id"])
