"""`proppy_doctor`: examines this machine and its neighbours, and changes nothing but what it cleans up again.

A project adds examinations of its own neighbours, in a module that the `ready()` of one of its apps imports:

    from notifications.doctor import failed, ok, register

    @register("search")
    def search():
        yield ok("it answers") if ping() else failed("search:9200 does not answer", "systemctl start search")

The engine's own are in the files beside this one, which only the command imports.
"""

from notifications.doctor.registry import register
from notifications.utils.finding import Finding, failed, ok, unknown, warning

__all__ = ["Finding", "failed", "ok", "register", "unknown", "warning"]
