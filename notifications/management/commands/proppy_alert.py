import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifications import alert, worker
from notifications.post import Post, told_just_now


class Command(BaseCommand):
    help = "Tell the alert channel that a systemd unit failed; proppy-alert@.service runs it."
    requires_system_checks = ()  # whatever else is wrong

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("unit", help="its name, or NAME:RESULT:CODE:STATUS")
        parser.add_argument("--result", default="", help="$SERVICE_RESULT; nothing is told of a success")
        parser.add_argument("--code", default="", help="$EXIT_CODE")
        parser.add_argument("--exit-status", default="", help="$EXIT_STATUS")

    def handle(self, *_: Any, unit: str, result: str, code: str, exit_status: str, **__: Any) -> None:
        try:
            failed = alert.failure(unit, result=result, code=code, status=exit_status)
            channel = alert.alert_channel()
        except (ValueError, LookupError) as error:
            raise CommandError(str(error)) from error
        if failed.result == "success":
            return
        host = os.uname().nodename
        just_now, cannot_wait = told_just_now(failed.unit), alert.cannot_wait(failed.unit)
        if just_now or not cannot_wait:
            channel.close()
            if cannot_wait or not just_now:  # a crash loop must not flood: its log says the rest
                alert.tell(failed, host)
            return
        post = Post(channel, alert.event_of(failed, host))
        worker.run([lambda stop: post])
        if post.problem:
            alert.tell(failed, host)
            raise CommandError(f"{post.problem}. It is in the journal, for when that is followed again.")
