"""Where the project's URLs have the intake: the gate takes one literal prefix."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from notifications.http.url_patterns import INTAKE, Url, project_urls
from notifications.intake.gate.middlewares import WHITENOISE

SOURCE: Final = "<str:source>"


class NoPrefix(Exception):
    """The view answers. `str()` says why."""


def intake_prefix() -> str:
    """What the paths of all sources begin with, such as "/in/". Raises NoPrefix, and what an import of URLs raises."""
    routes = {url.route.removesuffix("/") if url.route else None for url in _intakes()}
    if len(routes) > 1:
        raise NoPrefix("the URLs of the engine are included twice")
    route = routes.pop() if routes else None
    if route is None or not route.endswith(SOURCE) or "<" in (text := route.removesuffix(SOURCE)):
        raise NoPrefix("no literal text leads to the intake in the URLs")
    prefix = f"/{text}"
    if WHITENOISE in settings.MIDDLEWARE and _has_files(prefix):
        raise NoPrefix(f"WhiteNoise may have files below {prefix}")
    return prefix


def _intakes() -> list[Url]:
    found = [url for url in project_urls() if url.view == INTAKE]
    if any(url.is_localized for url in found):
        raise NoPrefix("the URLs of the engine change with the language")
    return found


def _has_files(prefix: str) -> bool:
    """Whether WhiteNoise, which answers before the view, can have a file at the address of a source."""
    static: str = getattr(settings, "WHITENOISE_STATIC_PREFIX", None) or urlsplit(settings.STATIC_URL or "").path
    if prefix.startswith(f"/{static.strip('/')}/".replace("//", "/")):
        return True
    root: str | Path | None = getattr(settings, "WHITENOISE_ROOT", None)
    return bool(root) and Path(root or "", prefix.strip("/")).exists()
