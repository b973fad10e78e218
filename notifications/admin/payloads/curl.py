"""A payload's request as a curl command, for people who fix its handler on their own machine.

All of it came from outside and is pasted into a shell: what a terminal, a shell or curl would not take as plain text
is left out or comes from the file. Quoted so that sh, bash, zsh and fish read the same.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote as percent_encoded

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from notifications.admin.lists.body_view import UNSEEN
from notifications.conf import conf
from notifications.http.headers import TOKEN, is_credential, is_of_a_connection, is_signature
from notifications.http.signatures import SCHEMES
from notifications.models import RawPayload

#: Bytes of a body that fit into a command.
LONGEST_BODY: Final = 4096
LONGEST_HEADER: Final = 2048
#: In a terminal a tab completes, and a return runs the command.
KEYS: Final = re.compile("[\t\r]")
PRINTABLE: Final = re.compile(r"[ -~]*")
SIGNED: Final = frozenset().union(*(verifier.headers for verifier in SCHEMES.values()))


def site_of(request: HttpRequest) -> str:
    """Scheme, host and port of the site: SITE_URL, else as the request came, through whatever proxies Django trusts."""
    return conf.site_url.rstrip("/") or f"{request.scheme}://{request.get_host()}"


def curl(payload: RawPayload, site: str) -> str:
    """A command of several lines, for `site`. It contains the body if that is short and plain, else names the
    downloaded file.
    """
    lines = [f"curl --globoff {quote(_address(payload, site))}", *_method(payload), *_headers(payload), _body(payload)]
    return " \\\n  ".join(lines)


def quote(text: str) -> str:
    """One word for any shell: fish reads a backslash inside quotes, zsh a = without quotes."""
    return "'" + re.sub(r"['\\]", r"'\\\g<0>'", text) + "'"


def _address(payload: RawPayload, site: str) -> str:
    source = percent_encoded(payload.source, safe="", errors="replace")
    query = percent_encoded(payload.query, safe="!$%&'()*+,-./:;=?@[]_~", errors="replace")
    return f"{site}{_prefix()}/in/{source}/{'?' * bool(query)}{query}"


def _prefix() -> str:
    """What the project has before /in/: where it is under a path, or includes the engine's URLs under one."""
    try:
        path = reverse("intake", args=["x"])
    except NoReverseMatch:
        return ""
    return path.removesuffix("/in/x/") if path.endswith("/in/x/") else ""


def _method(payload: RawPayload) -> Iterator[str]:
    if payload.method not in {"", "POST"} and TOKEN.fullmatch(payload.method):
        yield f"--request {quote(payload.method)}"


def _headers(payload: RawPayload) -> Iterator[str]:
    plain = bool(payload.content_type) and len(payload.content_type) <= LONGEST_HEADER
    kept = plain and PRINTABLE.fullmatch(payload.content_type)
    yield "--header " + quote(f"Content-Type: {payload.content_type}" if kept else "Content-Type:")
    key = conf.source(payload.source).key_header.lower()
    for name, value in sorted(payload.headers.items()):
        if name.lower() != key and _may_be_sent(name.lower(), str(value)):
            yield "--header " + quote(f"{name}: {value}" if value.strip() else f"{name};")


def _may_be_sent(name: str, value: str) -> bool:
    # curl would read a name that begins with "@" as a local file; no token does.
    taken = TOKEN.fullmatch(name) and PRINTABLE.fullmatch(value) and len(value) <= LONGEST_HEADER
    secret = name in SIGNED or is_signature(name) or is_credential(name)
    return bool(taken) and not secret and not is_of_a_connection(name) and name != "accept-encoding"


def _body(payload: RawPayload) -> str:
    text = _plain_text(payload)
    if text is None:
        return f"--data-binary {quote(f'@{payload.receipt}.bin')}"
    return f"--data-raw {quote(text)}"  # with --data a body "@/etc/passwd" would be that file


def _plain_text(payload: RawPayload) -> str | None:
    """The body, if it is short text that a terminal takes literally."""
    if payload.size > LONGEST_BODY:
        return None
    body = RawPayload.objects.filter(pk=payload.pk).values_list("inline_body", flat=True).first()
    try:
        text = bytes(body).decode() if body is not None else None
    except UnicodeDecodeError:
        return None
    return None if text is None or UNSEEN.search(text) or KEYS.search(text) else text
