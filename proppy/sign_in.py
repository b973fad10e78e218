"""Links that sign in: signed, good for a quarter of an hour, and once."""

from datetime import timedelta
from typing import Final

from django.contrib.auth.models import User
from django.core import signing
from django.utils import timezone

from proppy.models import VerifiedAddress

SALT: Final = "proppy.sign-in"
GOOD_FOR: Final = timedelta(minutes=15)


def token_for(user: User) -> str:
    """A token that names the user; the next sign-in makes it worthless."""
    return signing.dumps([user.pk, _last_login(user)], salt=SALT)


def user_of(token: str) -> User | None:
    """The user of a token that is ours, young enough and not used yet."""
    try:
        pk, last_login = signing.loads(token, salt=SALT, max_age=GOOD_FOR)
    except signing.BadSignature:
        return None
    user = User.objects.filter(pk=pk, is_active=True, is_staff=False).first()
    return user if user is not None and _last_login(user) == last_login else None


def use(token: str) -> User | None:
    """As `user_of()`, and the token is worthless from now on. Call it in a transaction, with the sign-in.

    The first token that is used proves whose address it is: whoever signed up with it had to prove nothing, so all
    sessions of before end.
    """
    user = user_of(token)
    if user is None:
        return None
    unused = User.objects.filter(pk=user.pk, last_login=user.last_login)
    if not unused.update(last_login=timezone.now()):
        return None  # another request was faster
    _, is_first = VerifiedAddress.objects.get_or_create(user=user)
    if is_first:
        user.set_unusable_password()  # a new one, of which each session has a hash
        user.save(update_fields=["password"])
    return user


def _last_login(user: User) -> str:
    return user.last_login.isoformat() if user.last_login else ""
