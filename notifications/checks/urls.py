"""Checks that posts and monitors reach the engine's URLs, and that the project's own pages stay its own."""

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse

from notifications.conf import conf
from notifications.http.url_patterns import INTAKE, Url, project_urls

OURS: Final = ("notifications.views.", "notifications.health.")
INCLUDE: Final = 'include("notifications.urls")'


def check_urls(**_: Any) -> list[CheckMessage]:
    """Those of the project, in order: the first that matches wins."""
    if not getattr(settings, "ROOT_URLCONF", ""):
        return []
    try:
        urls = project_urls()
    except Exception:  # noqa: BLE001  it cannot be imported, which Django's own checks report
        return []
    ours = [url for url in urls if url.view.startswith(OURS) and url.name]
    theirs: dict[str | None, str] = {url.text: url.view for url in urls if not url.view.startswith(OURS) and url.text}
    return [*_missing(urls), *_localized(ours), *_shadowed(ours, theirs), *_shadowing(ours, theirs)]


def _missing(urls: list[Url]) -> Iterator[CheckMessage]:
    posted = [name for name, source in conf.sources.items() if source.http]
    if posted and not any(url.view == INTAKE for url in urls):
        hint = f'Add path("", {INCLUDE}) to the urlpatterns of {settings.ROOT_URLCONF}, in front of any catch-all.'
        text = f"No URL leads to the sources that take posts: {', '.join(map(str, posted))}."
        yield checks.Warning(text, hint=hint, id="notifications.W050")


def _localized(ours: list[Url]) -> Iterator[CheckMessage]:
    if any(url.is_localized for url in ours):
        hint = f"Move {INCLUDE} out of i18n_patterns(): a post to an address without language is redirected, and lost."
        text = "The engine's URLs change with the language."
        yield checks.Warning(text, hint=hint, id="notifications.W051")


def _shadowed(ours: list[Url], theirs: dict[str | None, str]) -> Iterator[CheckMessage]:
    for url in ours:
        path, view = _answers(url)
        if view and view != url.view and url.text not in theirs:
            hint = f"Write {INCLUDE} in front of that pattern in urlpatterns."
            yield checks.Warning(
                f"{path} is answered by {view}, not by the engine.", hint=hint, id="notifications.W052"
            )


def _shadowing(ours: list[Url], theirs: dict[str | None, str]) -> Iterator[CheckMessage]:
    for url in ours:
        if url.text in theirs:
            hint = f'Give the engine a prefix of its own: path("proppy/", {INCLUDE}). Posts then go to /proppy/in/….'
            text = f"Both {theirs[url.text]} and the engine have a page /{url.text}: the first of urlpatterns answers."
            yield checks.Warning(text, hint=hint, id="notifications.W053")


def _answers(url: Url) -> tuple[str, str]:
    """An address of this pattern, and the view that answers there; "" if the prefix takes arguments."""
    try:
        path = reverse(url.name, kwargs={"source": "demo"} if url.view == INTAKE else {})
        return path, resolve("/" + path.removeprefix(get_script_prefix()))._func_path
    except (NoReverseMatch, Resolver404):
        return "", ""


CHECKS: Final = (check_urls,)
