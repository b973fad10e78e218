"""Asks before payloads are moved: how many there are, in which states, and what that does."""

from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.template.response import TemplateResponse

from notifications.admin.keyset import Count

#: That are counted; more are "1,000+".
MOST: Final = 1000
#: Past some ten thousand the answer may come later than a proxy waits for it.
MANY: Final = (
    "They are many, and this page waits for all of them. In a terminal manage.py replay_raw shows how far it is, and"
    " goes on where it was stopped."
)


def is_confirmed(request: HttpRequest) -> bool:
    """Whether this is the answer "yes" to the page below."""
    return request.method == "POST" and request.POST.get("confirmed") == "yes"


def ask(
    request: HttpRequest, model_admin: "admin.ModelAdmin[Any]", *, verb: str, count: Count, consequences: list[str]
) -> TemplateResponse:
    """A page that repeats the action, confirmed, when somebody says yes. `verb` is what the button says."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Are you sure?",
        "verb": verb,
        "count": count,
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
    return TemplateResponse(request, "admin/notifications/confirm.html", context)
