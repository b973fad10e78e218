"""Asks before payloads are moved: how many, in which states, and with which consequences."""

from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.template.response import TemplateResponse

from notifications.admin.lists.keyset import Count

#: Payloads to count; more are "1,000+".
MOST: Final = 1000
#: Beyond some ten thousand the answer may take longer than a proxy waits.
MANY: Final = (
    "They are many, and this page waits for all of them. In a terminal, manage.py replay_raw shows its progress, and"
    " resumes where it was stopped."
)


def is_confirmed(request: HttpRequest) -> bool:
    """Whether this is the answer "yes" to the page below."""
    return request.method == "POST" and request.POST.get("confirmed") == "yes"


def ask(
    request: HttpRequest,
    model_admin: "admin.ModelAdmin[Any]",
    *,
    verb: str,
    count: Count,
    consequences: list[str],
    resolves: bool = False,
) -> TemplateResponse:
    """A page whose button, named `verb`, repeats the action as confirmed. `resolves`: another sends `resolve` too."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Are you sure?",
        "verb": verb,
        "count": count,
        "resolves": resolves,
        "consequences": [*consequences, *([MANY] if count.more else [])],
        "opts": model_admin.opts,
        "media": model_admin.media,
        "action": request.POST.get("action", ""),
        "checkbox": ACTION_CHECKBOX_NAME,
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "select_across": request.POST.get("select_across") == "1",
        "from_page": request.POST.get("from_page", ""),
    }
    request.current_app = model_admin.admin_site.name  # as Django's admin does
    return TemplateResponse(request, "notifications/admin/confirm.html", context)
