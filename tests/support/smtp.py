"""A real SMTP server that keeps what it is sent."""

from asyncio import Transport
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast
from weakref import WeakSet

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.ports import free_port


class MailServer:
    """SMTP on 127.0.0.1; `with MailServer() as mail:`. `messages` has what was accepted, parsed, and `senders` who was
    named, accepted or not. `options` are those of aiosmtpd's SMTP.
    """

    def __init__(self, **options: Any) -> None:
        self.messages: list[EmailMessage] = []
        self.senders: list[str] = []
        self._controller = Listener(self, free_port(), **options)

    def __enter__(self) -> "MailServer":
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        return int(self._controller.port)

    @property
    def url(self) -> str:
        """As django-environ's EMAIL_URL."""
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """The site's environment variables."""
        return {"EMAIL_URL": self.url}

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """aiosmtpd's hook: the answer to MAIL FROM."""
        self.senders.append(address)
        if address.startswith("nobody@"):
            return "553 not from here"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """aiosmtpd's hook: the SMTP answer to one message."""
        content = cast(bytes, envelope.content)
        self.messages.append(message_from_bytes(content, policy=policy.default))
        return "250 OK"


class Listener(Controller):
    """aiosmtpd's, on 127.0.0.1; `stop()` ends connections too, as the end of a process does."""

    def __init__(self, handler: object, port: int, **options: Any) -> None:
        self._connections: WeakSet[SMTP] = WeakSet()
        super().__init__(handler, hostname="127.0.0.1", port=port, **options)

    def factory(self) -> SMTP:
        """aiosmtpd's hook: the protocol of one connection."""
        connection: SMTP = super().factory()  # type: ignore[no-untyped-call]
        self._connections.add(connection)
        return connection

    def cancel_tasks(self, stop_loop: bool = True) -> None:
        """aiosmtpd's hook, in the loop. A transport left open fails whichever test runs when it is collected."""
        for connection in list(self._connections):
            if isinstance(connection.transport, Transport):
                connection.transport.abort()
        super().cancel_tasks(stop_loop)


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server
