"""The site's forms. The browser and a worker check the contact form by the same rules."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from notifications.conf import conf
from proppy.uploads import is_whole

TAKEN: Final = "This address already has an account. Sign in instead, or use another address."
NAME: Final = forms.TextInput({"autocomplete": "name"})
EMAIL: Final = forms.EmailInput({"autocomplete": "email"})


class CardForm(forms.Form):
    """One of several forms on a page; its fields' ids begin with `card`."""

    card = ""

    def __init__(
        self, data: Mapping[str, Any] | None = None, files: Any = None, *, initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, files, auto_id=f"{self.card}-%s", label_suffix="", initial=initial)


class NameField(forms.CharField):
    """Always one line: in Slack and mails a second one could pass for another message."""

    def to_python(self, value: Any) -> str:
        return " ".join(str(super().to_python(value) or "").split())


class SignUpForm(CardForm):
    """A name and an address. No password: hashing one takes longer than all the rest, and a mailed link is safer."""

    card = "sign-up"

    name = NameField(label="Your name", max_length=100, widget=NAME)
    email = forms.EmailField(max_length=150, widget=EMAIL)

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        # This reveals who has an account, as people expect here; login_limits.SIGN_UP stops mass queries.
        if User.objects.filter(username=email).exists():
            raise ValidationError(TAKEN)
        return email

    def user(self) -> User:
        """The new user, not saved."""
        email = self.cleaned_data["email"]
        user = User(username=email, email=email, first_name=self.cleaned_data["name"])
        user.set_unusable_password()
        return user


class SignInForm(CardForm):
    """Where to send the link that signs in."""

    card = "sign-in"

    email = forms.EmailField(max_length=150, widget=EMAIL)

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class PhotoForm(CardForm):
    """Takes any bytes up to the limit: the worker finds out whether they are a photo."""

    card = "photo"

    photo = forms.FileField(widget=forms.FileInput({"accept": "image/jpeg,image/png,image/webp,image/gif"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = filesizeformat(conf.source("photo").body_limit)
        self.fields["photo"].help_text = f"JPEG, PNG, WebP or GIF, at most {limit}."

    def clean_photo(self) -> "UploadedFile[bytes]":
        photo: UploadedFile[bytes] = self.cleaned_data["photo"]
        limit = conf.source("photo").body_limit
        if (photo.size or 0) > limit or not is_whole(photo):
            raise ValidationError(f"This file is too large. Choose one of at most {filesizeformat(limit)}.")
        return photo


class ContactForm(CardForm):
    """Posted raw to /in/contact/: the browser checks what it can, the worker decides."""

    card = "contact"

    name = NameField(label="Your name", max_length=100, widget=NAME)
    email = forms.EmailField(max_length=254, widget=EMAIL)
    text = forms.CharField(label="Your message", max_length=5000, widget=forms.Textarea({"rows": 4}))
