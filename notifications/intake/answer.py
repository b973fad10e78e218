"""What a post to /in/<source>/ is answered: for the view, and for the gate in front of Django."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.http import HttpResponse

from notifications.conf import Source, conf
from notifications.errors import IntakeError, UnknownSource
from notifications.http.no_store import NO_STORE
from notifications.intake.capture_post import Post, store_post

#: In META: what the gate has decided, an Answer or the exception that was raised. No header has such a name.
DECIDED: Final = "notifications.decided"
ALWAYS: Final = {"Content-Type": "application/json", "Cache-Control": NO_STORE}


class Answer(NamedTuple):
    """A response without Django."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def answer(post: Post, source: str) -> Answer:
    """Store a post, or say why not. Raises nothing that is expected."""
    rules = open_source(source)
    if rules is None:
        return refusal(UnknownSource("no such source"))
    if post.method != "POST":
        return Answer(405, ALWAYS | {"Allow": "POST"}, b'{"error": "POST only"}')
    return stored(post, rules)


def stored(post: Post, rules: Source) -> Answer:
    """The same for a post whose source is known and open."""
    try:
        return accepted(store_post(post, rules))
    except IntakeError as error:
        return refusal(error)


def decided(meta: Mapping[str, Any]) -> Answer | None:
    """What the gate has decided, if it has. Raises the exception that was raised there."""
    found = meta.get(DECIDED)
    if isinstance(found, Exception):
        raise found
    return found if isinstance(found, Answer) else None


def open_source(name: str) -> Source | None:
    """The rules of a source that takes posts. Unknown and internal sources must look alike."""
    rules = conf.sources.get(name)
    return rules if rules is not None and rules.http else None


def wants_page(rules: Source, meta: Mapping[str, Any]) -> bool:
    """Whether a browser posts a form, and is sent on to a page."""
    return bool(rules.redirect) and "text/html" in meta.get("HTTP_ACCEPT", "")


def accepted(receipt: UUID) -> Answer:
    return Answer(202, ALWAYS, b'{"id": "%s"}' % str(receipt).encode())


def refusal(error: IntakeError) -> Answer:
    headers = ALWAYS if error.retry_after is None else ALWAYS | {"Retry-After": str(error.retry_after)}
    return Answer(error.status, headers, json.dumps({"error": str(error)}).encode())


def response_of(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)
