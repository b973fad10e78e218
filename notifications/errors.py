"""Why intake takes nothing, each with the HTTP status that says so."""


class IntakeError(Exception):
    """A body that was not stored. `str()` is the reason, for whoever sent it."""

    status = 400
    #: Seconds after which to come back, for the header Retry-After.
    retry_after: int | None = None


class UnknownSource(IntakeError, LookupError):
    """No entry of NOTIFICATIONS_SOURCES has this name."""

    status = 404


class BodyTooShort(IntakeError):
    """The body ended before its Content-Length."""


class BadRequest(IntakeError):
    """A length or key that makes no sense."""


class LengthRequired(IntakeError):
    """Neither a length nor an end that the server vouches for."""

    status = 411


class BodyTooLarge(IntakeError):
    """More bytes than the source takes."""

    status = 413


class SignatureRefused(IntakeError):
    """No secret of the source makes this signature."""

    status = 401


class KeyReused(IntakeError):
    """The idempotency key came before, with other bytes."""

    status = 422


class QuotaFull(IntakeError):
    """As many payloads of the source wait as may."""

    status = 429
    retry_after = 10


class RateLimited(IntakeError):
    """This client posts more often than the source's `rate`."""

    status = 429

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NowhereToStore(IntakeError):
    """Neither the database nor the spool took it."""

    status = 503
    retry_after = 5
