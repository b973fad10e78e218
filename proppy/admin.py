from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from proppy.models import ContactMessage, Photo, Step


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's is generic in its stubs only
    """The workers write these rows; people look at them."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Photo)
class PhotoAdmin(ReadOnly):
    list_display = ("id", "owner", "state", "reason", "created_at")
    list_filter = ("state",)
    list_select_related = ("owner",)
    exclude = ("file",)


@admin.register(ContactMessage)
class ContactMessageAdmin(ReadOnly):
    list_display = ("name", "email", "created_at", "errors")
    search_fields = ("name", "email", "receipt")


@admin.register(Step)
class StepAdmin(ReadOnly):
    list_display = ("at", "actor", "what", "milliseconds", "ok", "trace")
    list_filter = ("ok", "actor")
    search_fields = ("trace",)
