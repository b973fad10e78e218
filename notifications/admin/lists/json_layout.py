"""Indents JSON without changing its content."""

import json
import re
from itertools import pairwise
from typing import Final

TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s"{}\[\],:]+')
OPENING: Final = {"{", "["}
CLOSING: Final = {"}", "]"}
#: Deeper levels are not indented further: 64 kB of brackets must not become megabytes of spaces.
DEEPEST: Final = 20


def indent_json(text: str) -> str:
    """The same JSON, one item a line. Raises ValueError if it is invalid, RecursionError if it is too deep.

    Parsing and dumping would merge repeated keys and rewrite numbers; operators need to see what was sent.
    """
    json.loads(text, parse_int=str, parse_float=str)
    out: list[str] = []
    depth = 0
    for before, item in pairwise(["", *TOKEN.findall(text)]):
        closes = item in CLOSING
        depth -= closes
        if before not in OPENING if closes else before in {*OPENING, ","}:
            out.append("\n" + "  " * min(depth, DEEPEST))
        out.append(": " if item == ":" else item)
        depth += item in OPENING
    return "".join(out)
