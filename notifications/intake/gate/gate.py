"""Answers posts to /in/<source>/ in front of Django: no request object, no middleware, no resolver.

Only a post that is stored is answered here. Before the body is read everything unusual is left to Django. What is
refused, or fails, is decided here and answered by Django: the view returns it, so that each log record, signal and
page is Django's own.
"""

import logging
import time
from collections.abc import Callable, MutableMapping
from functools import cache
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.core.signals import setting_changed

from notifications.conf import Source, conf
from notifications.database.transactions import close_open, is_open, used_connections
from notifications.intake.answer import DECIDED, Answer, open_source, stored, wants_page
from notifications.intake.capture_post import Post
from notifications.intake.gate.middlewares import REQUEST_STATS, TRUSTED_PROXIES, middlewares
from notifications.intake.gate.own_middlewares import OwnMiddlewares
from notifications.intake.gate.patched import patched
from notifications.intake.gate.prefix import NoPrefix, Place, intake_place
from notifications.intake.gate.rehearsal import Rehearsal
from notifications.middleware import BEGAN, reporter
from notifications.proxies import distrust
from notifications.signals import gate_answered

logger = logging.getLogger(__name__)

#: Behind Apache's mod_rewrite they say what the path was.
REWRITTEN: Final = frozenset({"SCRIPT_URL", "REDIRECT_URL"})

Meta = MutableMapping[str, Any]


class Admitted(NamedTuple):
    """A post that is answered at the gate, if it can be stored."""

    rules: Source
    path: str
    route: str
    headers: list[tuple[str, str]]


class Gate:
    """Knows at its start what MIDDLEWARE and the URLs say. Any thread may ask."""

    def __init__(self, place: Place) -> None:
        self.prefix, self._routes = place
        found = middlewares()
        self._rehearsal = Rehearsal(found.rehearsed, place)
        self._own = OwnMiddlewares(found.own, self._rehearsal.head)
        self._distrusts = TRUSTED_PROXIES in settings.MIDDLEWARE
        self._is_forced = bool(found.reasons)
        self._counts = REQUEST_STATS in settings.MIDDLEWARE

    def admit(self, meta: Meta) -> Admitted | None:
        """None leaves the request to Django. The body is not read yet. `meta` is as in `HttpRequest.META`."""
        try:
            return self._admit(meta)
        except Exception:
            logger.exception("The gate leaves a post to Django: its head cannot be judged")
            return None

    def _admit(self, meta: Meta) -> Admitted | None:
        if meta["REQUEST_METHOD"] != "POST" or meta.get("HTTP_COOKIE") or not REWRITTEN.isdisjoint(meta):
            return None
        path: str = meta["PATH_INFO"]
        rest = path[len(self.prefix) :]
        source = rest.removesuffix("/")
        rules = open_source(source)
        route = self._routes.get(rest[len(source) :])
        if rules is None or route is None or "/" in source or not path.isascii() or wants_page(rules, meta):
            return None
        if self._distrusts:
            distrust(meta)
        rehearsed = self._rehearsal.answer_to(meta)
        if rehearsed is None:
            return None
        try:
            headers = self._own.take_part(meta, rehearsed.headers)
        except Exception as error:  # noqa: BLE001  the view raises it
            meta[DECIDED] = error
            return None
        if headers is None:
            return None
        return Admitted(rules, f"{rehearsed.script}{path}", route, headers)

    def answer(self, admitted: Admitted, meta: Meta, read: Callable[[int], bytes]) -> Answer | None:
        """Store the post. None leaves the answer to Django; `meta` says what was decided.

        The caller calls `tend_connections()` once the answer is sent.
        """
        began = meta[BEGAN] = time.monotonic()
        try:
            _begin()
            decided = stored(Post("POST", admitted.path, meta, read), admitted.rules)
        except Exception as error:
            if self._is_forced:
                logger.exception("POST %s failed; the view reports it, too, unless a middleware answers", admitted.path)
            meta[DECIDED] = error  # the view raises it
            return None
        if decided.status != 202:
            meta[DECIDED] = decided
            return None
        milliseconds = (time.monotonic() - began) * 1000
        if self._counts:
            reporter.add("POST", admitted.route, status=decided.status, ms=milliseconds)
        gate_answered.send_robust(Gate, route=admitted.route, status=decided.status, milliseconds=milliseconds)
        return decided


def _begin() -> None:
    """As a request of Django begins, and with no transaction open."""
    used = used_connections()
    if any(map(is_open, used)):
        logger.error("%s", close_open("An earlier request"))
    _tend(used)


def tend_connections() -> None:
    """What Django does at the start and end of a request: CONN_MAX_AGE holds, and broken connections are closed."""
    _tend(used_connections())


def _tend(used: list[Any]) -> None:
    for db in used:
        if not db.in_atomic_block:  # of a test case: others were closed before
            db.close_if_unusable_or_obsolete()


def open_gate() -> Gate | None:
    """The gate, or None where the view answers. It is built at the first request: URLs are not loaded before."""
    return _built()


@cache
def _built() -> Gate | None:
    try:
        return Gate(intake_place()) if conf.gate is not False and not shut_by() else None
    except Exception:  # of a URL or a middleware, which Django reports at each request
        logger.exception("The gate stays shut in this process: it cannot be built")
        return None


def shut_by() -> list[str]:
    """What keeps the gate shut, in words; nothing if it is open. Raises what an import of URLs raises."""
    reasons = []
    if conf.gate == "auto":
        replaced = patched()[:1]  # a tracer replaces many: one tells
        reasons = [*middlewares().reasons, *(f"{name} was replaced, as tracers do" for name in replaced)]
    try:
        intake_place()
    except NoPrefix as error:
        reasons.append(str(error))
    return reasons


def _forget(**_: Any) -> None:
    _built.cache_clear()


setting_changed.connect(_forget, dispatch_uid="notifications.intake.gate")
