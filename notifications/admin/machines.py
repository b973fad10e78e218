"""Machines that share the database. Whoever may delete them removes one that is gone for good."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from notifications.admin.lists.cells import moment, since, text
from notifications.admin.lists.read_only import ReadOnly
from notifications.models import Machine


@admin.register(Machine)
class MachineAdmin(ReadOnly):
    """Each machine's process_raw writes its row again, if it is there."""

    list_display = (text("host"), "seen", "problem_count", text("machine"))
    fields = (text("host"), moment("seen_at"), text("machine"))
    ordering = ("host", "machine")
    sortable_by = ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    @admin.display(description="seen")
    def seen(self, machine: Machine) -> SafeString | str:
        return since(machine.seen_at)

    @admin.display(description="problems")
    def problem_count(self, machine: Machine) -> str:
        return str(len(machine.problems))
