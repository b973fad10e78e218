"""Posts of odd shapes, and what each is answered in a host project."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tests.hosts.covering import Row
from tests.support.host_project import Request

FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART: Final = {"content-type": "multipart/form-data; boundary=b"}
PARTS: Final = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.bin"\r\n\r\n\x00\xff\r\n--b--\r\n'


class OddPost(NamedTuple):
    """`source` and what follows it make the path."""

    status: int
    body: bytes
    headers: Mapping[str, str | None] = {}
    source: str = "demo/"
    method: str = "POST"
    query: str = ""

    def request(self, prefix: str) -> Request:
        """It, to the engine's URLs below this prefix."""
        return Request(f"{prefix}/in/{self.source}", self.body, self.headers, self.method, self.query)


POSTS: Final[dict[str, OddPost]] = {
    "JSON": OddPost(202, b"{}", {"content-type": "application/json"}),
    "no JSON": OddPost(202, b'{"a": "\x00\xed\xa0\x80', {"content-type": "application/json"}),
    "nothing": OddPost(202, b""),
    "each byte": OddPost(202, bytes(range(256)), {"content-type": "application/octet-stream"}),
    "no UTF-8 in a form": OddPost(202, b"a=1&b=%FF&c=\xff", FORM),
    "a form without end": OddPost(202, b"&".join([b"a=1"] * 900), FORM),
    "parts": OddPost(202, PARTS, MULTIPART),
    "another encoding": OddPost(202, "{}".encode("utf-16"), {"content-type": "application/json; charset=utf-16"}),
    "no such encoding": OddPost(202, b"x", {"content-type": "text/plain; charset=nonsense"}),
    "compressed, it says": OddPost(202, b"\x1f\x8b\x00", {"content-encoding": "gzip"}),
    "3 MB": OddPost(202, b"x" * 3_000_000, {"content-type": "application/octet-stream"}),
    "no slash": OddPost(202, b"no slash", source="demo"),
    "a query": OddPost(202, b"query", query="next=%2F&a=%FF&&="),
    "another language": OddPost(202, b"hallo", {"accept-language": "de", "cookie": "django_language=de; sessionid=x"}),
    "another method, it says": OddPost(202, b"delete", {"x-http-method-override": "DELETE"}),
    "a browser's, from elsewhere": OddPost(
        202, b"a=1", {**FORM, "origin": "https://else.where", "cookie": "csrftoken=x"}
    ),
    "wobbles": OddPost(202, b"wobbly", source="wobbles/"),
    "fails": OddPost(202, b"key", {"idempotency-key": "7"}, "fails/"),
    "the same again": OddPost(202, b"key", {"idempotency-key": "7"}, "fails/"),
    "its key, other bytes": OddPost(422, b"other", {"idempotency-key": "7"}, "fails/"),
    "cut": OddPost(400, b"short", {"content-length": "6"}),
    "no length": OddPost(411, b"x", {"content-length": None}),
    "two lengths": OddPost(400, b"x", {"transfer-encoding": "chunked"}),
    "no such source": OddPost(404, b"x", source="nobody/"),
    "no source for posts": OddPost(404, b"x", source="welcome/"),
    "no post": OddPost(405, b"", {"content-length": None}, method="GET"),
    "put": OddPost(405, b"x", method="PUT"),
}


def expected_status(name: str, row: Row) -> int:
    """What differs: Django's own limits, where a middleware reads bodies, and LocaleMiddleware, which sends any 404 on
    to an address with a language if their catch-all answers there.
    """
    reads = row["reads"]
    received_before = (row["interface"], row["entry"]) == ("asgi", "ours")
    if (name == "3 MB" and reads == "body") or (name == "parts" and reads == "post" and not received_before):
        return 400
    if row["language"] == "many" and POSTS[name].status == 404 and not (received_before and reads == "body"):
        return 302
    return POSTS[name].status
