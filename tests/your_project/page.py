"""The blocks of docs/your-project.md: what a reader types, and where."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.support.child import BASE_DIR

PAGE: Final = BASE_DIR / "docs" / "your-project.md"
#: What a project has one of each of, and how a reader knows that a block is not for theirs.
CHOICES: Final = (("SQLite", "PostgreSQL"), ("WSGI", "ASGI"))
#: A fenced block, or lines that are indented.
BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```\n|((?:^    [^\n]*\n|^\n(?=    ))+)", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """`kind` is python, ini, sh, or console: what root types.

    `lead` is the sentence before it, below the headings `above`.
    """

    kind: str
    text: str
    lead: str
    above: str

    @property
    def file(self) -> str:
        """The name of the file that it belongs to."""
        return "".join(re.findall(r"`([\w/.-]+/[\w.-]+\.\w+)`", self.lead)[:1])

    @property
    def replaces(self) -> str:
        """The line of that file that it takes the place of; empty if it is added."""
        return "".join(re.findall("in place of `(.+?)`", self.lead))

    @property
    def comes_first(self) -> bool:
        """Whether it is added at the top of that file."""
        return "At the top of" in self.lead

    @property
    def goes_on(self) -> bool:
        """Whether its commands run until they are stopped."""
        return "terminal" in self.lead

    @property
    def commands(self) -> list[str]:
        return self.text.splitlines()

    def is_for(self, choices: tuple[str, str]) -> bool:
        """Whether a project of these two has use for it."""
        words = set(re.findall(r"\w+", f"{self.above} {self.lead}"))
        return all(mine in words or not words & set(both) for mine, both in zip(choices, CHOICES, strict=True))


def blocks() -> Iterator[Block]:
    """All in the numbered sections, in order."""
    for section in re.findall(r"^## (\d+\. .*?)(?=^## )", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        title, *parts = re.split(r"^### ", section, flags=re.MULTILINE)
        yield from _blocks(title, title.partition("\n")[0])
        for part in parts:
            yield from _blocks(part, part.partition("\n")[0])


def _blocks(part: str, above: str) -> Iterator[Block]:
    lead, at = "", 0
    for found in BLOCK.finditer(part):
        if before := part[at : found.start()].strip():
            lead = " ".join(before.rpartition("\n\n")[2].split()).rpartition(". ")[2]
        kind, fenced, indented = found.groups()
        text = fenced or re.sub("^    ", "", indented, flags=re.MULTILINE).strip("\n") + "\n"
        yield Block(kind or "sh", text, lead, above)
        at = found.end()
