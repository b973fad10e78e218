import os
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifications.operations import alert
from notifications.operations.alert_mark import Mark, reported_just_now
from notifications.operations.alert_post import Post
from notifications.workers import loop


class Command(BaseCommand):
    help = "Report a failed systemd unit to the alert channel; proppy-alert@.service runs it."
    requires_system_checks = ()  # it must report whatever else is wrong

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("unit", help="its name, or NAME:RESULT:CODE:STATUS")
        parser.add_argument("--result", default="", help="$SERVICE_RESULT; a success is not reported")
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
        just_now, cannot_wait = reported_just_now(failed.unit), alert.cannot_wait(failed.unit)
        if just_now or not cannot_wait:
            channel.close()
            if cannot_wait or not just_now:  # a crash loop must not flood: its log has the rest
                alert.report(failed, host)
            return
        post = Post(channel, alert.event_of(failed, host))
        loop.run([lambda stop: post])
        if post.problem:
            alert.report(failed, host)
            raise CommandError(f"{post.problem}. The alert is in the journal, and sent once that is followed again.")
        Mark(failed.unit).set(time.time())  # process_raw may watch it, and reports that it runs again
