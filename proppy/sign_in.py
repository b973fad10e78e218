"""Links that sign in: signed, valid for 15 minutes, and once."""

from datetime import timedelta
from typing import Final

from django.contrib.auth.models import User
from django.core import signing
from django.utils import timezone

from proppy.models import VerifiedAddress

SALT: Final = "proppy.sign-in"
GOOD_FOR: Final = timedelta(minutes=15)


def token_for(user: User) -> str:
    """A token for the user; the next sign-in invalidates it."""
    return signing.dumps([user.pk, _last_login(user)], salt=SALT)


def user_of(token: str) -> User | None:
    """The user of a token, or None if it is invalid, expired or used."""
    try:
        pk, last_login = signing.loads(token, salt=SALT, max_age=GOOD_FOR)
    except signing.BadSignature:
        return None
    user = User.objects.filter(pk=pk, is_active=True, is_staff=False).first()
    return user if user is not None and _last_login(user) == last_login else None


def use(token: str) -> User | None:
    """Like `user_of()`, but invalidates the token. Call it in the transaction of the sign-in.

    The first token used proves who owns the address. The sign-up did not, so all earlier sessions end.
    """
    user = user_of(token)
    if user is None:
        return None
    unused = User.objects.filter(pk=user.pk, last_login=user.last_login)
    if not unused.update(last_login=timezone.now()):
        return None  # another request was faster
    _, is_first = VerifiedAddress.objects.get_or_create(user=user)
    if is_first:
        user.set_unusable_password()  # a new one ends sessions: each has a hash of the old
        user.save(update_fields=["password"])
    return user


def _last_login(user: User) -> str:
    return user.last_login.isoformat() if user.last_login else ""
