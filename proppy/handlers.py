"""Handlers of payloads. Only the workers load this."""

from smtplib import SMTPRecipientsRefused
from urllib.parse import urljoin

import orjson
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse

from notifications import GiveUp, emit, on_payload
from notifications.models import RawPayload
from notifications.utils import graphemes
from notifications.utils.clean_text import clean
from proppy.contact import parse_contact
from proppy.forms import ContactForm
from proppy.images import Image, RefusedError, verify
from proppy.models import ContactMessage, Photo
from proppy.sign_in import token_for
from proppy.steps import trace_of_payload  # its import registers the receivers that record steps


@on_payload("welcome", atomic=False)
def send_welcome_mail(payload: RawPayload) -> None:
    """Mail a new user. If the worker dies before it is marked done, it is sent again, with the same Message-ID."""
    user = User.objects.filter(pk=orjson.loads(payload.body)["user_id"]).first()
    if user is not None:
        _send(
            EmailMessage(
                subject="Welcome to proppy",
                body=render_to_string("proppy/welcome.txt", {"user": user}),
                to=[user.email],
                headers={"Message-ID": f"<{payload.receipt}@proppy>"},
            )
        )


@on_payload("sign-in", atomic=False)
def send_sign_in_link(payload: RawPayload) -> None:
    """Mail a link, if the address has an account; the page does not reveal that."""
    wish = orjson.loads(payload.body)
    user = User.objects.filter(username=wish["email"], is_active=True, is_staff=False).first()
    if user is None:
        return
    link = urljoin(wish["site"], reverse("sign-in-link", args=[token_for(user)]))
    body = render_to_string("proppy/sign_in.txt", {"user": user, "link": link})
    _send(EmailMessage(subject="Your link to sign in", body=body, to=[user.email]))


def _send(mail: EmailMessage) -> None:
    try:
        mail.send()
    except SMTPRecipientsRefused as refused:
        code, message = refused.recipients[mail.to[0]]
        if code < 500:
            raise
        raise GiveUp(f"The mail server refuses {mail.to[0]} for good: {code} {message!r}") from refused


@on_payload("photo", atomic=False)
def show_photo(payload: RawPayload) -> None:
    """Verify a photo, store it, then show it. A repeat writes the same bytes under the same name."""
    trace = trace_of_payload(payload)
    try:
        image = verify(payload.body)
    except RefusedError as refused:
        with payload.done():
            _refuse(payload, str(refused), trace)
        return
    name = _store(payload, image)
    with payload.done():
        _show(payload, image, name, trace)


def _store(payload: RawPayload, image: Image) -> str:
    """Store the original bytes under the receipt's name. The storage overwrites, by STORAGES."""
    name = f"photos/{payload.receipt}.{image.extension}"
    content = ContentFile(payload.body)
    content.content_type = image.content_type  # type: ignore[attr-defined]  # S3Storage stores it with the file
    return default_storage.save(name, content)


def _show(payload: RawPayload, image: Image, name: str, trace: str) -> None:
    photo = _photo(payload)
    if photo is not None:
        photo.state, photo.reason, photo.file.name = Photo.State.SHOWN, "", name
        photo.content_type, photo.width, photo.height = image.content_type, image.width, image.height
        photo.save()
        size = f"{image.width} x {image.height}"
        emit("SLACK", f"{photo.owner.first_name} uploaded a photo ({size})", kind="photo", trace=trace)


def _refuse(payload: RawPayload, reason: str, trace: str) -> None:
    photo = _photo(payload)
    if photo is not None:
        photo.state, photo.reason = Photo.State.REFUSED, reason
        photo.save()
        emit("SLACK", f"A photo by {photo.owner.first_name} was refused: {reason}", kind="refused photo", trace=trace)


def _photo(payload: RawPayload) -> Photo | None:
    """The photo's row; None if its owner closed the account."""
    return Photo.objects.select_related("owner").filter(receipt=payload.receipt).first()


@on_payload("contact")
def read_contact(payload: RawPayload) -> None:
    """Parse the raw form, and store the verdict that the page shows."""
    trace = trace_of_payload(payload)
    sent = parse_contact(payload.body, payload.content_type)
    form = ContactForm(sent)
    if form.is_valid():
        # Operators read the journal: the message itself stays in the database.
        name = form.cleaned_data["name"]
        emit("SLACK", f"Contact from {name}: read it in the admin under Contact messages", kind="contact", trace=trace)
        emit("REPORT", "contact form", trace=trace)
    else:
        emit("SLACK", f"A contact form was wrong in: {', '.join(form.errors)}", kind="wrong contact form", trace=trace)
        emit("REPORT", "contact form with mistakes", trace=trace)
    verdict = {"trace": trace, "errors": {field: list(errors) for field, errors in form.errors.items()}}
    shown = {field: graphemes.first(clean(sent.get(field, "")), 5000) for field in form.fields}
    values = {field: form.cleaned_data.get(field, text) for field, text in shown.items()}
    ContactMessage.objects.update_or_create(receipt=payload.receipt, defaults=verdict | values)


@on_payload("demo")
def count_demo(payload: RawPayload) -> None:
    """Count only: for load tests and first steps."""
    emit("REPORT", "demo")
