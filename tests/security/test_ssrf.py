"""Where the site itself connects to: where its operator has sent it, and nowhere else."""

import socket
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from notifications.channels import Unavailable, Undeliverable
from notifications.channels.base import Channel
from notifications.channels.slack import Slack
from notifications.channels.webhook import Webhook
from notifications.events.event import Event
from notifications.models import RawPayload, State
from notifications.operations.send_copy import send, target_of
from tests.support.admin import payload
from tests.support.in_process import work_off
from tests.support.stranger import CONTACT, Posts
from tests.support.webhook import Receiver, response

REDIRECTS: Final = (301, 302, 303, 307, 308)


@pytest.fixture
def elsewhere() -> Iterator[Receiver]:
    """Where nothing may arrive."""
    with Receiver() as other:
        yield other
        assert other.requests == []


def bot(receiver: Receiver) -> Channel:
    return Slack("SLACK", token="xoxb-secret", api_url=f"http://127.0.0.1:{receiver.port}/api/")


def incoming_webhook(receiver: Receiver) -> Channel:
    return Slack("SLACK", webhook_url=f"http://127.0.0.1:{receiver.port}/services/secret")


def webhook(receiver: Receiver) -> Channel:
    return Webhook("WEBHOOK", url=receiver.url, secret=receiver.secret)


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("make", [bot, incoming_webhook, webhook])
def test_channels_follow_nobody(
    receiver: Receiver, elsewhere: Receiver, make: Callable[[Receiver], Channel], status: int
) -> None:
    """A redirect would take Slack's token, or what is told, to whoever answers in its place."""
    receiver.answers(response(status, Location=elsewhere.url))
    with pytest.raises((Unavailable, Undeliverable), match=str(status)):
        make(receiver).deliver([Event("SLACK", "told", timezone.now(), {}, "1:1")])
    assert len(receiver.requests) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("status", REDIRECTS)
def test_a_copy_follows_nobody(receiver: Receiver, elsewhere: Receiver, status: int) -> None:
    receiver.answers(response(status, Location=elsewhere.url))
    assert send(payload(), target_of(receiver.url)).startswith(str(status))


#: Beside those of test_send_copy.py: the clouds' metadata in other clothes, and what only looks like us.
NOT_HERE: Final = [
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://[2002:7f00:1::]/",
    "http://127.0.0.1:80:80/",
    "http://127.0.0.1%00.evil.example/",
    "http://①②⑦.0.0.1/",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "http://root:secret@127.0.0.1/",
    "http://127.0.0.1/#@169.254.169.254/",
    "http://127.0.0.1\t@169.254.169.254/",
]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was connected to: nothing can be, but for sockets of files."""
    tried: list[Any] = []
    connect = socket.socket.connect

    def refuse(sock: socket.socket, address: Any) -> None:
        if sock.family == socket.AF_UNIX:
            return connect(sock, address)
        tried.append(address)
        raise ConnectionRefusedError(address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


@pytest.mark.django_db
@pytest.mark.parametrize("url", NOT_HERE)
def test_replay_raw_sends_nothing_to_others(no_network: list[Any], url: str) -> None:
    payload(b"secret of a customer", state=State.DONE)
    with pytest.raises(CommandError):
        call_command("replay_raw", "--source", "demo", "--to", url, stdout=StringIO(), stderr=StringIO())
    assert no_network == []


@pytest.mark.django_db
def test_a_name_that_is_another_machine_is_another_machine(
    no_network: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is this one, too."""

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, 1, 6, "", (address, port)) for address in ("127.0.0.1", "169.254.169.254")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    payload(state=State.DONE)
    with pytest.raises(CommandError, match=r"169\.254\.169\.254, not this machine"):
        call_command("replay_raw", "--source", "demo", "--to", "http://rebound.example/", stdout=StringIO())
    assert no_network == []


ADDRESS: Final = "http://169.254.169.254/latest/meta-data/"
SVG: Final = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{ADDRESS}"/></svg>'.encode()
XXE: Final = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{ADDRESS}">]><x>&e;</x>'.encode()


@pytest.mark.django_db(transaction=True)
def test_no_address_that_a_stranger_sends_is_ever_opened(
    client: Client, stranger: Client, posts: Posts, no_network: list[Any]
) -> None:
    client.post("/sign-up/", {"name": ADDRESS, "email": "ada@example.org"})
    for body in (SVG, XXE, ADDRESS.encode(), b"%!PS\n(" + ADDRESS.encode() + b") run"):
        client.post("/photos/", {"photo": SimpleUploadedFile("p.png", body, "image/png")})
        stranger.post("/in/demo/", body, content_type="application/xml", HTTP_REFERER=ADDRESS, HTTP_ORIGIN=ADDRESS)
    form = {"name": ADDRESS, "email": "ada@example.org", "text": ADDRESS, "url": ADDRESS}
    stranger.post(CONTACT, form, query_params={"callback": ADDRESS})
    assert posts.stored(5)
    assert {payload.state for payload in work_off()} == {State.DONE}
    client.force_login(User.objects.create_superuser("root"))
    for pk in RawPayload.objects.values_list("pk", flat=True):
        assert client.get(f"/admin/notifications/rawpayload/{pk}/change/").status_code == 200
    assert no_network == []
