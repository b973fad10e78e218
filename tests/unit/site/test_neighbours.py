"""What proppy_doctor says of the site's mail server and photos, each broken in its ways."""

import json
import ssl
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
from aiosmtpd.smtp import AuthResult, LoginPassword
from django.core.management import call_command

from notifications.doctor import examine as running
from proppy import neighbours
from tests.support.ports import free_port
from tests.support.smtp import MailServer
from tests.support.webhook import Receiver

Examine = Callable[..., tuple[str, str, int]]
USER: Final = {"EMAIL_HOST_USER": "ada", "EMAIL_HOST_PASSWORD": "geheim-mail-password"}


@pytest.fixture
def examine(sqlite_file: Path, settings: Any) -> Examine:
    """With settings for mail: text, advice and exit status."""

    def run(port: int, name: str = "mail", **options: Any) -> tuple[str, str, int]:
        values = {
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": port,
            "DEFAULT_FROM_EMAIL": "Shop <shop@example.org>",
        }
        for key, value in (values | options).items():
            setattr(settings, key, value)
        out = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("proppy_doctor", "--only", name, "--json", stdout=out)
        (finding,) = json.loads(out.getvalue())["findings"]
        assert "geheim" not in out.getvalue()
        return finding["text"], finding["advice"], int(ended.value.code or 0)

    return run


def of_ada(*arguments: Any) -> AuthResult:
    """aiosmtpd's authenticator."""
    given = arguments[-1]
    good = isinstance(given, LoginPassword) and given.password == USER["EMAIL_HOST_PASSWORD"].encode()
    return AuthResult(success=good, handled=False)


def test_a_server_without_a_sign_in(examine: Examine, mail_server: MailServer) -> None:
    text, _, status = examine(mail_server.port)
    assert text == f"127.0.0.1:{mail_server.port}: EHLO works; no mail was sent"
    assert (mail_server.messages, mail_server.senders, status) == ([], [], 0)


def test_a_server_that_takes_the_sign_in_and_one_that_refuses_it(examine: Examine) -> None:
    with MailServer(authenticator=of_ada, auth_require_tls=False) as server:
        text, _, status = examine(server.port, **USER)
        assert (text.endswith("EHLO works, the sign-in is accepted; no mail was sent"), status) == (True, 0)
        text, advice, status = examine(server.port, **USER | {"EMAIL_HOST_PASSWORD": "geheim-wrong"})
    assert "refuses the sign-in: 535" in text
    assert advice.startswith("Mend user and password of EMAIL_URL")
    assert status == 2


def test_a_server_that_knows_no_sign_in(examine: Examine, mail_server: MailServer) -> None:
    text, advice, status = examine(mail_server.port, **USER)
    assert "AUTH" in text
    assert "smtp+tls://" in advice
    assert status == 2


def test_a_server_without_tls(examine: Examine, mail_server: MailServer) -> None:
    text, advice, status = examine(mail_server.port, EMAIL_USE_TLS=True)
    assert "STARTTLS" in text
    assert "smtp+ssl:// for port 465" in advice
    assert status == 2


def test_a_certificate_of_an_unknown_authority(examine: Examine) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with MailServer(tls_context=context) as server:
        text, advice, status = examine(server.port, EMAIL_USE_TLS=True)
    assert "has a certificate that is refused" in text
    assert advice.startswith("Mend the server's certificate")
    assert status == 2


def test_nobody_listens(examine: Examine) -> None:
    text, advice, status = examine(free_port())
    assert "cannot be reached: [Errno 111] Connection refused" in text
    assert "Many block port 25" in advice
    assert status == 2


def test_another_kind_of_server(examine: Examine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for our request, and we for its greeting."""
    monkeypatch.setattr(running, "LONGEST", 0.3)
    monkeypatch.setattr(neighbours, "LONGEST", 0.5)
    text, advice, status = examine(receiver.port)
    assert (text, status) == ("no answer within 0.3 s", 2)
    assert advice.startswith("Is its address right")


def test_sender_and_recipient_are_named_only_if_that_is_asked_for(examine: Examine, mail_server: MailServer) -> None:
    text, _, status = examine(mail_server.port, "mail-envelope")
    assert "it takes mail from and to shop@example.org; no mail was sent" in text
    assert (mail_server.senders, mail_server.messages, status) == (["shop@example.org"], [], 0)
    text, advice, status = examine(mail_server.port, "mail-envelope", DEFAULT_FROM_EMAIL="nobody@example.org")
    assert "takes no mail from it: 553 not from here" in text
    assert "DEFAULT_FROM_EMAIL" in advice
    assert status == 2


def test_mails_that_are_printed(examine: Examine) -> None:
    _, advice, status = examine(25, EMAIL_BACKEND="django.core.mail.backends.console.EmailBackend")
    assert "EMAIL_URL=smtp+tls://" in advice
    assert status == 1


def test_photos_in_a_folder(examine: Examine, settings: Any) -> None:
    text, _, status = examine(25, "photos")
    assert (text, status) == (f"they are in the folder {settings.MEDIA_ROOT}", 0)
