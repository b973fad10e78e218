"""A site that has much of everything: long and hostile texts, each state, more than a page of rows."""

from typing import Final

from tests.support.processes import Site

PASSWORD: Final = "only-for-this-test"
#: Printed as "ids=…": a row of each model, by its name.
ROWS: Final = f"""
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from notifications import keep
from notifications.models import *
from notifications.utils.reason_fingerprint import reason_fingerprint
from proppy.models import ContactMessage, Photo, Step
root = User.objects.create_superuser("root", password={PASSWORD!r})
now, long, words = timezone.now(), "x" * 400, "a word and another one " * 20
traceback = "Traceback (most recent call last):\\n  File 'handlers.py', line 1\\nKeyError: '" + long + "'"
for number, state in enumerate(FailureGroup.State.values * 2):
    group = FailureGroup.objects.create(
        source="contact", fingerprint=str(number), title="KeyError: " + (long if number % 2 else words),
        place="shop/" + long[:60] + ".py:12, price", first_at=now - timedelta(days=9), last_at=now, attempts=70_000,
        state=state, state_at=now, state_by="ada", muted_until=now + timedelta(days=1),
    )
    FailureHour.objects.create(failure=group, hour=now.replace(minute=0, second=0, microsecond=0), failed=number + 1)
states = [state.value for state in State] * 10
for number, state in enumerate(states):
    key, headers = (f"{{number}}-{{long[:100]}}" if number % 2 else None), {{"x-request-id": f"trace-{{number}}"}}
    receipt = keep("contact", b"name=Ada", key=key, headers=headers)
    waits = state in ("received", "processing", "retrying")
    RawPayload.objects.filter(receipt=receipt).update(
        state=state, attempts=number, size=10 ** (number % 10), path="/in/" + long,
        next_attempt_at=now + timedelta(hours=9) if waits else None,
        done_at=now if state == "done" else None, error=traceback if number % 3 else "",
        failure=group if state in ("dead", "retrying") else None, source="contact" if number % 4 else "s" * 60,
    )
reasons = ["h answered 410: " + words, "is_archived: " + long, traceback]
for number in range(120):
    reason = reasons[number % 3]
    delivery = FailedDelivery.objects.create(
        channel="OPS" if number % 2 else "C" * 32, event_time=now, text=long if number % 5 else words, reason=reason,
        fingerprint=reason_fingerprint(reason), again_at=now if number % 7 == 0 else None, data={{"a": long}},
    )
problems = {{"SLACK": long, "OPS": words, "REPORT": "", "C" * 32: "503", "LOST": "", "REFUSED": ""}}
for channel, problem in problems.items():
    position = Position.objects.create(
        machine="0" * 32, journal="journald://" + "n" * 40, channel=channel, entry_time=now, delivered_at=now,
        waiting=1000 if problem else 0, problem=problem, problem_since=now - timedelta(seconds=4 * len(problem)),
        next_attempt_at=now + timedelta(minutes=3) if problem else None, cursor="s=" + long,
    )
    loss = Loss.objects.create(
        origin="shop1: " + long, channel=channel if problem else "", reason=words, key=channel, until=now,
        count=10 ** 12 if problem else None, told_at=now,
    )
    refusal = Refusal.objects.create(
        machine="0" * 32, journal="j", reason=words, name=channel, author="uid 1000, " + long, count=10 ** 9,
        since=now, until=now, example=long,
    )
Refusal.objects.filter(name="OPS").mark_seen("ada" * 20)
Loss.objects.filter(channel="OPS").mark_seen("ada" * 20)
FailureGroup.objects.filter(pk=group.pk).reopen("root")
machine = Machine.objects.create(machine="0" * 32, host=long, seen_at=now, problems=[{{}}] * 3, workers=[{{}}] * 2)
for number in range(9):
    report = ReportRow.objects.create(name=f"{{number}} {{long}}", day=now.date(), count=10 ** number)
    step = Step.objects.create(
        trace="t" * 32, actor="web", ref=str(number), what=words, at=now, milliseconds=1.5, ok=bool(number % 2)
    )
message = ContactMessage.objects.create(
    receipt="0" * 32, name=long[:100], email="a@" + long[:90], text=words, errors={{"email": [words]}}
)
photo = Photo.objects.create(owner=root, receipt="0" * 32, state="refused", reason=words, content_type="image/png")
done = OperatorAction.objects.latest("pk")
payload = RawPayload.objects.filter(state="dead").latest("pk")
rows = dict(rawpayload=payload, failuregroup=group, faileddelivery=delivery, position=position, loss=loss,
            refusal=refusal, machine=machine, reportrow=report, operatoraction=done)
site_rows = dict(contactmessage=message, photo=photo, step=step)
print("ids=" + ",".join(f"{{name}}:{{row.pk}}" for name, row in rows.items()))
print("site=" + ",".join(f"{{name}}:{{row.pk}}" for name, row in site_rows.items()))
"""


class Crowded:
    """A running site with these rows; `ids` of the engine's models, and of the site's own, by name."""

    def __init__(self, site: Site) -> None:
        self.site = site
        site.migrate()
        printed = site.manage("shell", "--verbosity", "0", "-c", ROWS)
        self.ids, self.site_ids = (_pairs(printed.partition(f"{name}=")[2].split()[0]) for name in ("ids", "site"))
        site.start("web")

    @property
    def lists(self) -> list[str]:
        """The addresses of all lists below /admin/."""
        return [f"notifications/{name}/" for name in self.ids] + [f"proppy/{name}/" for name in self.site_ids]

    @property
    def rows(self) -> list[str]:
        """The addresses of a row of each."""
        ours = [f"notifications/{name}/{pk}/" for name, pk in self.ids.items()]
        return ours + [f"proppy/{name}/{pk}/" for name, pk in self.site_ids.items()]


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split(":") for pair in text.split(","))
