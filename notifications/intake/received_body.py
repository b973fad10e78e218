"""Receives a body under ASGI, before Django sees the request: with a limit, a deadline, and bounded memory."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from typing import Any, ClassVar, Final

from django.core.exceptions import BadRequest as DjangosBadRequest

from notifications.errors import BadRequest, BodyTooShort, BodyTooSlow, IntakeError, NowhereToStore
from notifications.intake.body_length import announced_length, check_size

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

#: Seconds for a client to send a whole body.
LONGEST_SENDING: Final = 30.0
#: Bytes of all bodies together that are still coming; one counts as half of that at most, so any source's limit works…
MOST_BYTES: Final = 128 * 1024 * 1024
#: …and of a body that is never refused for lack of room.
SMALL: Final = 64 * 1024


class ReceivedBody(BytesIO):
    """The stream of a request whose body was received here: whole `data`, or a `refusal` that says why it is not.

    `was_refused`: code that reads bodies before the view was told of the refusal.
    """

    def __init__(self, data: bytes = b"", refusal: IntakeError | None = None) -> None:
        super().__init__(data)
        self.data, self.refusal, self.was_refused = data, refusal, False

    def read(self, size: int | None = -1, /) -> bytes:
        """Raises BadRequest of Django's, which is no error of the project, if the body is not whole."""
        if self.refusal is not None:
            self.was_refused = True
            raise DjangosBadRequest(str(self.refusal))
        return super().read(size)


async def receive_body(
    receive: Receive, meta: Mapping[str, Any], limit: int, *, tells_cut_chunks: bool
) -> ReceivedBody:
    """Receive at most `limit` bytes. What the head alone decides is not received at all. Never raises IntakeError."""
    try:
        length = announced_length(meta, limit, tells_cut_chunks=tells_cut_chunks)
        return ReceivedBody(await _receive_in_time(receive, length, limit))
    except IntakeError as refusal:
        return ReceivedBody(refusal=refusal)


async def _receive_in_time(receive: Receive, length: int | None, limit: int) -> bytes:
    arrival = _Arrival(length, limit)
    try:
        async with asyncio.timeout(LONGEST_SENDING):
            await arrival.receive_all(receive)
    except TimeoutError as error:
        raise BodyTooSlow("the request did not arrive in time") from error
    finally:
        arrival.make_room()
    return arrival.whole()


class _Arrival:
    """A body on its way."""

    #: Bytes of all that are on their way.
    together: ClassVar[int] = 0

    def __init__(self, length: int | None, limit: int) -> None:
        self._length, self._limit = length, limit
        self._pieces: list[bytes] = []
        self._size = 0

    async def receive_all(self, receive: Receive) -> None:
        """Until the server says that all is here. Raises BodyTooShort if the client has gone."""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise self._cut()
            self._add(message.get("body", b""))
            more = message.get("more_body", False)

    def _add(self, piece: bytes) -> None:
        size = self._size + len(piece)
        check_size(size, self._limit)
        others = _Arrival.together - self._size
        if size > SMALL and others + min(size, MOST_BYTES // 2) > MOST_BYTES:
            raise NowhereToStore("too much is being sent at once: try again in a moment")
        _Arrival.together += len(piece)
        self._size = size
        self._pieces.append(piece)

    def make_room(self) -> None:
        _Arrival.together -= self._size

    def whole(self) -> bytes:
        """Raises BodyTooShort or BadRequest if it is not of the length that was announced."""
        if self._length is not None and self._size < self._length:
            raise self._cut()
        if self._length is not None and self._size > self._length:
            raise BadRequest(f"the body has more than {self._length} bytes")
        return b"".join(self._pieces)

    def _cut(self) -> BodyTooShort:
        if self._length is None:
            return BodyTooShort("the body cannot be read to its end")
        return BodyTooShort(f"the body ended after {self._size} of {self._length} bytes")
