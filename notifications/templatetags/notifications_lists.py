"""The parts of the admin's lists: Django's own tags, with our templates."""

from typing import Any, Final

from django.contrib.admin.templatetags import admin_list
from django.template import Library, RequestContext

register: Final = Library()


@register.inclusion_tag("notifications/admin/search_form.html")
def list_search(cl: Any) -> dict[str, Any]:
    """The form to search a list."""
    return admin_list.search_form(cl)


@register.inclusion_tag("notifications/admin/actions.html", takes_context=True)
def list_actions(context: RequestContext) -> Any:
    """The choice of an action."""
    return admin_list.admin_actions(context)


@register.inclusion_tag("notifications/admin/pagination.html")
def list_pages(cl: Any) -> dict[str, Any]:
    """The way to other pages."""
    return admin_list.pagination(cl)
