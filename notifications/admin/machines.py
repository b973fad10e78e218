"""Machines that share the database. Whoever may delete them removes one that is gone for good."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifications.admin.lists.cells import first_line, moment, since, text
from notifications.admin.lists.read_only import ReadOnly
from notifications.models import Machine


@admin.register(Machine)
class MachineAdmin(ReadOnly):
    """Each machine's process_raw writes its row again, if it is there."""

    none_yet = "None yet: the process_raw of each machine comes here."
    list_display = ("name", "seen", "problem_count", "worker_count")
    fields = (text("host"), moment("seen_at"), text("machine"))
    ordering = ("host", "machine")
    sortable_by = ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    @admin.display(description="machine")
    def name(self, machine: Machine) -> SafeString:
        """Below it its id."""
        return format_html('{}<span class="place">{}</span>', first_line(machine.host), first_line(machine.machine))

    @admin.display(description="workers")
    def worker_count(self, machine: Machine) -> str:
        return str(len(machine.workers))

    @admin.display(description="seen")
    def seen(self, machine: Machine) -> SafeString | str:
        return since(machine.seen_at)

    @admin.display(description="problems")
    def problem_count(self, machine: Machine) -> str:
        return str(len(machine.problems))
