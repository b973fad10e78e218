"""What a page holds that a strict policy forbids, or that a stranger's text has put there."""

from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Final
from urllib.parse import parse_qsl

from django.test import Client

#: Where scripts may come from: files, and the admin's translations.
OWN: Final = ("/static/", "/admin/jsi18n/")
#: Pages that a crawl visits of those whose addresses have the same path and the same names in their queries.
ALIKE: Final = 2
ADDRESSES: Final = frozenset({"href", "src", "action", "formaction", "data", "poster", "xlink:href", "content"})


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "script" and not _is_own_or_data(values):
            self.problems.append(f"a script of its own: {values}")
        if tag in {"style", "iframe", "object", "embed", "base"}:
            self.problems.append(f"<{tag}>")
        self.problems += [f"{tag} {name}={value}" for name, value in values.items() if _is_code(name, value)]
        if tag == "a":
            self.links.append(values.get("href", ""))


def _is_own_or_data(script: dict[str, str]) -> bool:
    return script.get("src", "").startswith(OWN) or script.get("type") == "application/json"


def _is_code(name: str, value: str) -> bool:
    scheme = "".join(value.split()).lower().partition(":")[0]
    return (
        name in {"style", "srcdoc"} or name.startswith("on") or (name in ADDRESSES and scheme in {"javascript", "data"})
    )


def problems(html: str) -> list[str]:
    """Inline scripts, styles and handlers, addresses that are code, and frames."""
    reader = _Reader()
    reader.feed(html)
    return reader.problems


def links(html: str) -> list[str]:
    """Where its links lead."""
    reader = _Reader()
    reader.feed(html)
    return reader.links


def crawl(client: Client, start: str, *, most: int = 300) -> Iterator[tuple[str, str]]:
    """Address and text of each HTML page below `start` that links lead to. Of those that differ in the values of
    their queries alone, the first ones."""
    seen, waiting = {start}, [start]
    alike: Counter[tuple[str, ...]] = Counter()
    while waiting:
        address = waiting.pop(0)
        answer = client.get(address, follow=True)
        if answer.streaming or not answer["Content-Type"].startswith("text/html"):
            continue
        yield address, answer.text
        base = answer.redirect_chain[-1][0] if answer.redirect_chain else address
        for link in links(answer.text):
            whole = base.partition("?")[0] + link if link.startswith("?") else link
            if whole.startswith(start) and whole not in seen and len(seen) < most:
                seen.add(whole)
                path, _, query = whole.partition("?")
                kind = (path, *sorted(dict(parse_qsl(query, keep_blank_values=True)))) if query else ()
                alike[kind] += 1
                if not kind or alike[kind] <= ALIKE:
                    waiting.append(whole)
