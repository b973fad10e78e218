"""The status for a project's own pages of the admin: `{% load notifications_status %}`."""

from typing import Any, Final

from django.template import Context, Library

from notifications.admin.status.links import Links
from notifications.admin.status.parts import now_part

register: Final = Library()


@register.inclusion_tag("notifications/admin/status/on_index.html", takes_context=True)
def status_tiles(context: Context) -> dict[str, Any]:
    """The verdict and the tiles, with a link to the status page; nothing for who may not see that.

    For an index page of an admin site: `{% status_tiles %}` in its block "content".
    """
    address = status_address(context)
    return {"address": address, **now_part(context["request"])} if address else {}


@register.simple_tag(takes_context=True)
def status_address(context: Context) -> str:
    """The path of the status page; "" for who may not see it, and where there is no request."""
    request = context.get("request")
    return Links(request).status() if request is not None and hasattr(request, "user") else ""
