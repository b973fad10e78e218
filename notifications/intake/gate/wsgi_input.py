"""The gate under WSGI: it reads the input of the web server, and gives back what Django is to answer."""

from io import BytesIO
from typing import Any

from notifications.intake.answer import Answer
from notifications.intake.gate.gate import Admitted, Gate
from notifications.intake.request_body import Readable, read_input


class _Noted:
    """The input, which keeps what was read of it."""

    def __init__(self, stream: Readable) -> None:
        self._stream, self.read_so_far = stream, list[bytes]()

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self.read_so_far.append(data)
        return data


def pass_environ(gate: Gate, environ: dict[str, Any]) -> tuple[Admitted, Answer] | None:
    """The answer of the gate. None leaves the request to Django: a middleware that reads its body finds it."""
    admitted = gate.admit(environ)
    if admitted is None:
        return None
    noted = _Noted(environ["wsgi.input"])
    answer = gate.answer(admitted, environ, lambda limit: read_input(environ, limit, noted))
    if answer is not None:
        return admitted, answer
    if noted.read_so_far:
        environ["wsgi.input"] = BytesIO(b"".join(noted.read_so_far))
    return None
