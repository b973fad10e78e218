"""What a release did to routes, in one sentence."""

from collections.abc import Mapping
from typing import Final

from notifications.admin.status.routes import Change
from notifications.admin.status.wording import plural

#: Routes that the sentence names.
NAMED: Final = 2


def did(changes: Mapping[str, Change]) -> str:
    """ "made 1 route twice as slow: GET /photos/; all others are as before". Of routes that can be compared."""
    if not changes:
        return "has too few requests to say what it did"
    parts = [part for kind in ("worse", "better") if (part := _part(changes, kind))]
    if not parts:
        return "left the times of all routes as before" if len(changes) > 1 else "left the times of its route as before"
    same = sum(not each.kind for each in changes.values())
    rest = {0: "", 1: "; the other is as before"}.get(same, "; all others are as before")
    return f"made {' and '.join(parts)}{rest}"


def _part(changes: Mapping[str, Change], kind: str) -> str:
    found = {name: each for name, each in changes.items() if each.kind == kind}
    if not found:
        return ""
    words = {each.words for each in found.values()}
    how = words.pop() if len(words) == 1 else "slower" if kind == "worse" else "faster"
    names = f": {', '.join(found)}" if len(found) <= NAMED else ""
    return f"{plural(len(found), 'route')} {how}{names}"
