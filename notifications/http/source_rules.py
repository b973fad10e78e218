"""What may be wrong with an entry of NOTIFICATIONS_SOURCES: for the checks, and for a request, which stores nothing."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.core.signals import setting_changed

from notifications.conf import Source
from notifications.http.rate_limits import parse_rate
from notifications.http.signatures import SCHEMES, BadSignature, key_of
from notifications.utils.setting_rules import is_positive, is_whole

OPTIONS: Final = frozenset(field.name for field in dataclasses.fields(Source)) - {"name"}
#: What concerns payloads that are stored already.
LATER: Final = frozenset(
    {"keep_done_days", "keep_dead_days", "keep_quarantined_days", "max_attempts", "lease", "runbook"}
)
#: No //host or /\host: a browser takes those for another site. ?receipt= is added.
PATH: Final = re.compile(r"(/(?![/\\])[^\\\s]*)?")
ADDRESS: Final = re.compile(r"(https?://[^\s]+)?")
HEADER: Final = re.compile(r"[A-Za-z0-9-]+")


class Problem(NamedTuple):
    """The id of the check that reports it, what is wrong, and what to write instead.

    `stops_posts`: nobody knows by which rules to store a post, so none is stored.
    """

    id: str
    text: str
    hint: str
    stops_posts: bool = True


def _is_rate(value: Any) -> bool:
    try:
        parse_rate(value)
    except ValueError:
        return False
    return True


DAYS: Final = (
    lambda value: value is None or is_positive(value),
    "Write days, such as 30, or None to keep it for good.",
)
#: For each option: is its value valid, and what to write instead.
VALUES: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "http": (lambda value: isinstance(value, bool), "Write True or False."),
    "tolerance": (is_positive, "Write seconds, such as 300."),
    "max_body_bytes": (lambda value: value is None or is_whole(value, 1), "Write bytes, such as 1048576, or None."),
    "key_header": (lambda value: _matches(HEADER, value), "Write the name of a header, such as Idempotency-Key."),
    "redirect": (lambda value: _matches(PATH, value), 'Write a path of this site, such as "/thanks/".'),
    "rate": (
        lambda value: value in ("", None) or _is_rate(value),
        'Write posts and a time, such as "120/minute", or "".',
    ),
    "max_waiting": (lambda value: is_whole(value, 0), "Write a number of payloads; 0 is no limit."),
    "max_waiting_bytes": (lambda value: is_whole(value, 0), "Write a number of bytes; 0 is no limit."),
    "bad_signature": (lambda value: value in ("reject", "quarantine"), 'Write "reject" or "quarantine".'),
    "max_quarantined": (lambda value: is_whole(value, 0), "Write a number of payloads, such as 1000."),
    "keep_done_days": DAYS,
    "keep_dead_days": DAYS,
    "keep_quarantined_days": DAYS,
    "max_attempts": (lambda value: is_whole(value, 1), "Write a number of attempts, such as 16."),
    "lease": (is_positive, "Write the seconds that the handler may take, such as 60.0."),
    "runbook": (
        lambda value: _matches(ADDRESS, value),
        'Write an address that begins with https:// or http://, or "".',
    ),
}


def problems_of(name: Any, options: Any) -> Iterator[Problem]:
    """Each mistake in the entry `name: options`."""
    if not isinstance(options, dict) or not options.keys() <= OPTIONS:
        wrong = sorted(map(str, options.keys() - OPTIONS)) if isinstance(options, dict) else type(options).__name__
        hint = f"An entry is a dictionary of: {', '.join(sorted(OPTIONS))}."
        yield Problem("notifications.E003", f"Source {name!r} has unknown options {wrong}.", hint)
        return
    if not isinstance(name, str) or not name or "/" in name or not name.isprintable():
        hint = "It is part of a URL: letters, digits, - and _ are safe."
        yield Problem("notifications.E006", f"Source {name!r} cannot be in /in/<source>/.", hint)
    yield from _signature(name, options.get("signature", ""), options.get("secrets", ()))
    for option, (is_right, hint) in VALUES.items():
        if option in options and not is_right(options[option]):
            text = f"Source {name!r} has {option} {options[option]!r}."
            yield Problem("notifications.E012", text, hint, stops_posts=option not in LATER)


def _signature(name: str, scheme: Any, secrets: Any) -> Iterator[Problem]:
    if scheme and (not isinstance(scheme, str) or scheme not in SCHEMES):
        hint = f"Write one of: {', '.join(SCHEMES)}."
        yield Problem("notifications.E004", f"Source {name!r} has signature {scheme!r}.", hint)
    elif not isinstance(secrets, list | tuple) or (scheme and not any(secrets)):
        hint = 'Write "secrets": [env("…")], a list: both the old and the new secret while you change them.'
        text = f"Source {name!r} verifies signatures without a list of secrets."
        one = bool(secrets) and isinstance(secrets, str)  # it is used as the only one
        yield Problem("notifications.E005", text, hint, stops_posts=not one)
    elif not scheme and any(secrets):
        hint = f'Write "signature" too, one of: {", ".join(SCHEMES)}.'
        yield Problem("notifications.E005", f"Source {name!r} has secrets and verifies nothing.", hint)
    else:
        # Empty ones are ignored: [env("NEW"), env("OLD", default="")].
        yield from _secrets(name, scheme, [secret for secret in secrets if secret])


def _secrets(name: str, scheme: str, secrets: list[Any]) -> Iterator[Problem]:
    for number, secret in enumerate(secrets, start=1):
        try:
            key_of(scheme, secret)
        except BadSignature as error:
            hint = "Copy all of it again; for standard-webhooks it is base64, with or without the prefix whsec_."
            # The others count. If there is none, the signature is wrong, and the post is refused or in quarantine.
            yield Problem("notifications.E013", f"Source {name!r}, secret {number}: {error}.", hint, stops_posts=False)


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


@cache
def first_problem(name: str) -> str:
    """Why no post can be stored for a source of the settings; "" if one can."""
    found = problems_of(name, settings.NOTIFICATIONS_SOURCES[name])
    problem = next((each for each in found if each.stops_posts), None)
    return f"{problem.text} {problem.hint}" if problem else ""


def _forget(*, setting: str, **_: Any) -> None:
    if setting.startswith("NOTIFICATIONS_"):
        first_problem.cache_clear()


setting_changed.connect(_forget, dispatch_uid="notifications.http.source_rules")
