"""Secrets are in no log, journal, stored header, error page, traceback or status, also while what they open fails."""

import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError

import pytest
from django.contrib.auth.models import User
from django.test import Client

from notifications.testing import Told, work_off
from proppy.sign_in import token_for
from tests.support.child import BASE_DIR
from tests.support.ports import free_port
from tests.support.processes import Site
from tests.support.slack import FakeSlack
from tests.support.stranger import CONTACT, Posts
from tests.support.visitor import Visitor
from tests.support.wait import wait_for
from tests.support.warm_python import run_python
from tests.support.webhook import Receiver, response

#: What the environment holds; each can be found wherever it is.
KEY: Final = "geheim-secret-key-" + "k" * 40
TOKEN: Final = "xoxb-geheim-token"
HOOK: Final = "geheim-hook-path"
SIGNS: Final = "whsec_R0VIRUlNX1NJR05TX1dFQkhPT0tTX0dFSEVJTQ=="
MAIL: Final = "geheim-mail-password"
BUCKET: Final = "geheim-s3-secret-key"
DATABASE: Final = "geheim-database-password"
PROXY: Final = "geheim-proxy-password"
STATUS: Final = "geheim-status-token"
PING: Final = "geheim-ping-key"
ENVIRONMENT: Final = {KEY, TOKEN, HOOK, SIGNS, MAIL, BUCKET, DATABASE, PROXY, STATUS, PING}
#: What a client sends of its own.
BEARER: Final = "geheim-bearer"
API_KEY: Final = "geheim-api-key"
SENT: Final = {BEARER, API_KEY}
CREDENTIALS: Final = {
    "Authorization": f"Bearer {BEARER}",
    "Proxy-Authorization": f"Basic {BEARER}",
    "X-Api-Key": API_KEY,
    "X-Auth-Token": API_KEY,
    "X-Gitlab-Token": API_KEY,
    "Cookie": f"sessionid={BEARER}; csrftoken={API_KEY}",
}


def nowhere() -> str:
    return f"127.0.0.1:{free_port()}"


class Said:
    """All that a site has written where somebody might read it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.more: list[str] = []

    def manage(self, *arguments: str) -> str:
        """Run a command, which may fail; what it printed."""
        done = run_python(["manage.py", *arguments], env=self._site.env, timeout=120)
        self.more.append(done.stdout + done.stderr)
        return self.more[-1]

    def everything(self) -> str:
        """Output, logs, event journal, and the tables of the engine and the site."""
        logs = [self._site.log(name) for name in ("web", "process_raw", "follow_journal")]
        files = [
            path for path in (self._site.folder / "state").rglob("*") if path.is_file() and "sqlite3" not in path.name
        ]
        texts = [path.read_bytes().decode("latin-1") for path in files]
        return "\n".join([*self.more, *logs, *texts, *self._tables()])

    def _tables(self) -> Iterator[str]:
        path = self._site.folder / "state" / "proppy.sqlite3"
        if path.exists():
            with closing(sqlite3.connect(path)) as connection:
                names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
                for (name,) in names:  # that of the sessions has their keys, as it must
                    if name != "django_session":
                        yield from map(str, connection.execute(f"SELECT * FROM {name}"))


def browse(said: Said, site: Site) -> Visitor:
    """Use each form, and send credentials along; pages and answers are among what was said."""
    visitor = site.browse()
    pages = [visitor.get("/"), visitor.post_form("/sign-up/", name="Ada", email="ada@example.org")]
    pages.append(visitor.upload("/photos/", "photo", "p.png", b"x", content_type="image/png"))
    pages.append(visitor.post_form("/in/contact/", name="Ada", email="ada@example.org", text="x"))
    headers = CREDENTIALS | {"Content-Type": "application/json"}
    pages += [visitor.post("/in/demo/", b"{}", headers), visitor.get("/metrics"), visitor.get("/readyz")]
    said.more += [f"{page.text}\n{page.headers}" for page in pages]
    return visitor


@pytest.fixture
def failing(site: Site, slack: FakeSlack, receiver: Receiver) -> Site:
    """A site that has every secret, and where what each of them opens refuses or is away."""
    for _ in range(5):
        slack.answers("html", 500, {"ok": False, "error": "invalid_auth"}, "reset")
        receiver.answers(response(500, receiver.secret), response(403), "reset")
    site.env |= {
        "SECRET_KEY": KEY,
        "SLACK_TOKEN": TOKEN,
        "SLACK_API_URL": slack.url,
        "WEBHOOK_URL": f"{receiver.url}?key={HOOK}",
        "WEBHOOK_SECRET": SIGNS,
        "EMAIL_URL": f"smtp://user:{MAIL}@{nowhere()}",
        "S3_BUCKET": "photos",
        "S3_ENDPOINT_URL": f"http://{nowhere()}",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": BUCKET,
        "STATUS_TOKEN": STATUS,
        "HEARTBEAT_URL": f"http://{nowhere()}/{PING}",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    site.migrate()
    return site


@pytest.mark.slow
def test_no_secret_gets_out_of_a_site_where_everything_fails(failing: Site, slack: FakeSlack) -> None:
    said = Said(failing)
    for name in ("web", "process_raw", "follow_journal"):
        failing.start(name)
    visitor = browse(said, failing)
    cookies = {cookie.name: str(cookie.value) for cookie in visitor.cookies}
    said.manage("shell", "-c", "from notifications import emit; emit('WEBHOOK', 'told')")
    wait_for(lambda: "failed, next try in" in failing.log("process_raw"), timeout=60, message="the mail fails")
    wait_for(lambda: len(slack.requests) > 2, timeout=60, message="Slack refuses")
    wait_for(lambda: "WEBHOOK" in failing.log("follow_journal"), timeout=60, message="the webhook refuses")
    wait_for(lambda: "HEARTBEAT_URL" in failing.log("process_raw"), timeout=60, message="its service is away")
    for command in (
        ["check"],
        ["check", "--deploy"],
        ["proppy_status"],
        ["proppy_status", "--json"],
        ["proppy_doctor"],
    ):
        said.manage(*command)
    said.manage("replay_raw", "--source", "demo", "--to", f"http://{nowhere()}/")
    everything = said.everything()
    assert "Traceback" in everything
    assert "REPORT: sign-up" in everything
    found = {secret for secret in ENVIRONMENT | SENT if secret in everything}
    assert found == set()
    assert cookies["sessionid"] not in everything


@pytest.mark.slow
def test_nor_while_the_database_refuses(site: Site) -> None:
    site.env |= {"SECRET_KEY": KEY, "DATABASE_URL": f"postgres://proppy:{DATABASE}@{nowhere()}/proppy"}
    said = Said(site)
    site.start("web")
    site.start("process_raw")
    headers = CREDENTIALS | {"Content-Type": "text/plain"}
    assert site.browse().post("/in/demo/", b"x", headers).status == 202
    for path in ("/readyz", "/metrics"):
        said.more.append(site.browse().get(path).text)
    commands = (["check"], ["check", "--database", "default"], ["migrate"], ["proppy_status"], ["prune_raw"])
    for command in (*commands, ["proppy_doctor"]):
        assert DATABASE not in said.manage(*command)
    wait_for(lambda: site.log("process_raw"), timeout=60)
    everything = said.everything()
    assert "onnection refused" in everything
    assert {secret for secret in ENVIRONMENT | SENT if secret in everything} == set()


@pytest.mark.slow
def test_an_error_page_outside_debug_says_nothing(site: Site) -> None:
    """PostgreSQL is away, and the page cannot be made."""
    site.env |= {
        "SECRET_KEY": KEY,
        "DEBUG": "false",
        "TRUSTED_PROXIES": "127.0.0.1",
        "DATABASE_URL": f"postgres://proppy:{DATABASE}@{nowhere()}/proppy",
    }
    site.start("web")
    visitor = site.browse()
    for path in ("/", "/nothing/", "/admin/", "/photos/1/"):
        headers = {"X-Forwarded-Proto": "https"} | CREDENTIALS
        with suppress(URLError):
            page = visitor.open(path, None, headers)
            assert page.status in {404, 500, 503}
            for word in (*ENVIRONMENT, *SENT, "Traceback", "psycopg", str(BASE_DIR), "settings"):
                assert word not in page.text, (path, word)


WRONG: Final = {
    "SLACK_TOKEN": TOKEN.removeprefix("xoxb-"),
    "SLACK_WEBHOOK_URL": f"ftp://hooks.slack.com/services/{HOOK}",
    "SLACK_ALERT_WEBHOOK_URL": f"ftp://hooks.slack.com/services/{HOOK}",
    "WEBHOOK_URL": f"https://user:{HOOK}@example.org/",
    "WEBHOOK_SECRET": "whsec_geheim",
    "EMAIL_URL": f"smtp://user:{MAIL}@host:port",
    "DATABASE_URL": f"postgres://user:{DATABASE}@host:port/name",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_without_it(site: Site, name: str) -> None:
    site.env["WEBHOOK_URL"] = "https://example.org/" if name == "WEBHOOK_SECRET" else ""
    site.env[name] = WRONG[name]
    printed = Said(site).manage("check")
    assert name.partition("_")[0] in printed
    assert "geheim" not in printed


@pytest.mark.parametrize("name", ["S3_ENDPOINT_URL", "SLACK_API_URL"])
def test_nor_are_addresses_with_a_password(site: Site, name: str) -> None:
    site.env[name] = f"s3://user:{BUCKET}@example.org"
    printed = Said(site).manage("check")
    assert name in printed
    assert BUCKET not in printed


def test_the_servers_own_proxy_is_no_header_of_a_request(site: Site) -> None:
    site.env["HTTP_PROXY"] = f"http://user:{PROXY}@proxy.example:3128"
    site.migrate()
    site.start("web")
    assert site.browse().post("/in/demo/", b"x", {"Content-Type": "text/plain"}).status == 202
    assert PROXY not in Said(site).everything()


@pytest.mark.django_db(transaction=True)
class TestLinks:
    """A link that signs in is a secret until it was used."""

    @pytest.fixture
    def token(self) -> str:
        return token_for(User.objects.create_user("ada@example.org", "ada@example.org"))

    def test_it_is_in_no_event_no_log_and_no_payload(
        self, client: Client, token: str, told: Told, caplog: pytest.LogCaptureFixture
    ) -> None:
        client.post("/sign-in/", {"email": "ada@example.org"})
        payloads = work_off()
        client.get(f"/sign-in/{token}/")
        client.post(f"/sign-in/{token}/")
        assert token not in caplog.text
        assert token.partition(":")[0] not in "".join(f"{event.text}{event.data}" for event in told.events())
        assert [payload.body for payload in payloads] == [b'{"email":"ada@example.org","site":"http://testserver/"}']

    def test_nor_where_it_is_refused(self, token: str, caplog: pytest.LogCaptureFixture) -> None:
        client = Client(enforce_csrf_checks=True)
        assert client.post(f"/sign-in/{token}/").status_code == 403
        assert "/sign-in/" in caplog.text
        assert token not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_what_is_written_in_a_form_is_in_no_event(client: Client, stranger: Client, posts: Posts, told: Told) -> None:
    """Who may read the journal sees names, and no address, message or session."""
    client.post("/sign-up/", {"name": "Ada", "email": "ada@example.org"})
    client.post("/photos/", {"photo": ""})
    form = {"name": "Ada", "email": "ada@example.org", "text": "my secret"}
    for sender, path in ((client, "/in/contact/"), (stranger, CONTACT)):
        sender.post(path, form, headers={"authorization": BEARER})
        sender.post(path, form | {"email": "my secret"})
    assert posts.stored(2)
    work_off()
    events = "\n".join(f"{event.text} {event.data}" for event in told.events())
    assert "Ada signed up" in events
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    for secret in ("example.org", "my secret", BEARER, cookies["sessionid"], cookies["visits"]):
        assert secret not in events


def test_no_secret_is_in_what_is_shipped() -> None:
    """Neither a key that works nor one of a developer."""
    pattern = re.compile(
        r"xox[abp]-[0-9A-Za-z-]{20,}|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY"
        r"|hooks\.slack\.com/services/T[0-9A-Z]{6}"
    )
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=BASE_DIR, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    found: list[Any] = [
        (name, match[0])
        for name in tracked
        if (path := Path(BASE_DIR, name)).is_file()
        and path.suffix in {".py", ".md", ".template", ".conf", ".service", ".example", ".toml"}
        for match in pattern.finditer(path.read_text(errors="replace"))
    ]
    assert found == []
