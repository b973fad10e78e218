from django.contrib import admin

from notifications.admin.lists.read_only import ReadOnly
from proppy.models import ContactMessage, Photo, Step


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
