"""Why intake refuses a body, each with its HTTP status."""


class IntakeError(Exception):
    """A body was not stored. `str()` is the reason, for its sender."""

    status = 400
    #: Seconds for the header Retry-After.
    retry_after: int | None = None


class UnknownSource(IntakeError, LookupError):
    """No entry of NOTIFICATIONS_SOURCES has this name."""

    status = 404


class BodyTooShort(IntakeError):
    """The body ended before its Content-Length, or could not be read to its end."""


class BadRequest(IntakeError):
    """The length or the key is invalid."""


class BodyTooSlow(IntakeError):
    """The body did not come in time. Under ASGI; elsewhere the web server sees to it."""

    status = 408


class LengthRequired(IntakeError):
    """The length is missing, and the web server does not tell empty, whole and cut bodies apart."""

    status = 411


class BodyTooLarge(IntakeError):
    """The body is larger than the source takes."""

    status = 413


class SignatureRefused(IntakeError):
    """No secret of the source makes this signature."""

    status = 401


class KeyReused(IntakeError):
    """The idempotency key came before, with other bytes."""

    status = 422


class QuotaFull(IntakeError):
    """The source's `max_waiting` or `max_waiting_bytes` is reached."""

    status = 429
    retry_after = 10


class RateLimited(IntakeError):
    """This client posts more often than the source's `rate`."""

    status = 429

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Misconfigured(IntakeError):
    """The source's entry in NOTIFICATIONS_SOURCES is wrong: nothing is stored by rules that nobody meant."""

    status = 503
    retry_after = 60


class NowhereToStore(IntakeError):
    """Neither the database nor the spool took the body."""

    status = 503
    retry_after = 5


class UnexpectedFailure(IntakeError):
    """An exception that nobody expects, which is reported. The sender tries again."""

    status = 503
    retry_after = 5
