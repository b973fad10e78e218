"""What `proppy_doctor` examines of the site: its mail server, and where its photos are."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parseaddr
from typing import Final

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.mail import get_connection
from django.core.mail.backends.smtp import EmailBackend

from notifications.doctor import Finding, failed, ok, register, warning
from proppy import mail

#: Seconds for one answer: less than an examination has.
LONGEST: Final = 4.0
#: No mail is sent by them, but the server's log and its limits notice them.
ENVELOPE: Final = "mail-envelope"
TLS: Final = "Write smtp+ssl:// for port 465, smtp+tls:// for port 587, smtp:// for a server on this machine."
SENDER: Final = "Write a DEFAULT_FROM_EMAIL that this server sends for."
#: What was raised, what is said of the server, and what to do. The first that fits.
WRONG: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (
        ssl.SSLCertVerificationError,
        "has a certificate that is refused",
        "Mend the server's certificate, or write the name into EMAIL_URL that it is for.",
    ),
    (ssl.SSLError, "speaks another TLS, or none", TLS),
    (smtplib.SMTPNotSupportedError, "lacks what EMAIL_URL asks for", TLS),
    (
        smtplib.SMTPAuthenticationError,
        "refuses the sign-in",
        "Mend user and password of EMAIL_URL, with %2F for / and so on in a password.",
    ),
    (smtplib.SMTPSenderRefused, "takes no mail from it", SENDER),
    (smtplib.SMTPDataError, "takes no mail for it", SENDER),
    (
        smtplib.SMTPException,
        "does not speak SMTP as it should",
        "Is it a mail server that EMAIL_URL names? See its log.",
    ),
    (
        OSError,
        "cannot be reached",
        "Mend host and port of EMAIL_URL; does a firewall let this machine through? Many block port 25.",
    ),
)


@register("mail")
def mail_server() -> Iterator[Finding]:
    """Connects, starts TLS and signs in, as the worker does; no mail is sent."""
    backend = get_connection()
    if mail.is_printed():
        yield warning("mails are printed, and nobody gets them", "Write EMAIL_URL=smtp+tls://user:password@host:587.")
    elif not isinstance(backend, EmailBackend):
        yield ok(f"{type(backend).__module__}: no mail server to ask")
    else:
        yield from _asked(backend, sender="")


@register(ENVELOPE, only_asked=True)
def mail_envelope() -> Iterator[Finding]:
    """Also names sender and recipient, both DEFAULT_FROM_EMAIL, then takes it back (RSET)."""
    backend = get_connection()
    if isinstance(backend, EmailBackend):
        yield from _asked(backend, sender=parseaddr(settings.DEFAULT_FROM_EMAIL)[1])
    else:
        yield ok("no mail server to ask")


@register("photos")
def photos() -> Iterator[Finding]:
    """The bucket, or the folder MEDIA_ROOT, whose rights the checks of `settings` have seen."""
    if settings.S3_BUCKET:
        from notifications.doctor.storage import examine_storage

        yield from examine_storage(settings.S3_BUCKET, default_storage)
    else:
        yield ok(f"they are in the folder {settings.MEDIA_ROOT}")


def _asked(backend: EmailBackend, *, sender: str) -> Iterator[Finding]:
    where = f"{backend.host}:{backend.port}"
    try:
        with _session(backend) as session:
            done = _sign_in(backend, session)
            if sender:
                done.append(_name_envelope(session, sender))
    except (OSError, smtplib.SMTPException) as error:
        text, advice = next((text, advice) for kind, text, advice in WRONG if isinstance(error, kind))
        yield failed(f"{where} {text}: {_said(error)}", advice)
    else:
        yield ok(f"{where}: {', '.join(done)}; no mail was sent")


@contextmanager
def _session(backend: EmailBackend) -> Iterator[smtplib.SMTP]:
    if backend.use_ssl:
        session: smtplib.SMTP = smtplib.SMTP_SSL(
            backend.host, backend.port, timeout=LONGEST, context=backend.ssl_context
        )
    else:
        session = smtplib.SMTP(backend.host, backend.port, timeout=LONGEST)
    with session:  # ends with QUIT
        yield session


def _sign_in(backend: EmailBackend, session: smtplib.SMTP) -> list[str]:
    """Returns what was done."""
    done = ["TLS and EHLO work"] if backend.use_ssl else ["EHLO works"]
    session.ehlo_or_helo_if_needed()
    if backend.use_tls:
        session.starttls(context=backend.ssl_context)
        session.ehlo_or_helo_if_needed()
        done = ["STARTTLS and EHLO work"]
    if backend.username and backend.password:
        session.login(backend.username, backend.password)
        done.append("the sign-in is accepted")
    return done


def _name_envelope(session: smtplib.SMTP, address: str) -> str:
    """Raises SMTPSenderRefused and SMTPDataError."""
    code, answer = session.mail(address)
    if code != 250:
        raise smtplib.SMTPSenderRefused(code, answer, address)
    code, answer = session.rcpt(address)
    session.rset()
    if code not in {250, 251}:
        raise smtplib.SMTPDataError(code, answer)
    return f"it takes mail from and to {address}"


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    return error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else str(error)
