"""The site in the test's own process: Ada, who is signed in, her photos, and how often she may come."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from PIL import Image

from notifications.http.rate_limit_report import refusals
from notifications.http.rate_limits import RateLimit


@pytest.fixture
def ada(client: Client) -> User:
    user = User.objects.create_user("ada@example.org", first_name="Ada")
    client.force_login(user)
    return user


@pytest.fixture
def rate_limits(settings: Any) -> Iterator[None]:
    """They hold, and what they have counted is forgotten before and after the test."""
    settings.NOTIFICATIONS_RATE_LIMITS = True
    RateLimit.forget_all()
    yield
    RateLimit.forget_all()
    refusals.flush(30)


def image(kind: str = "PNG", size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    """A photo of one colour."""
    out = BytesIO()
    Image.new("RGB", size, "teal").save(out, kind, **options)
    return out.getvalue()
