"""An upgrade of a database that has rows."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from notifications.models import FailedDelivery, FailureGroup, RawPayload, State
from notifications.utils.reason_fingerprint import reason_fingerprint


@pytest.mark.usefixtures("database")
def test_dead_payloads_from_before_are_no_news() -> None:
    now = timezone.now()
    groups = {
        state: FailureGroup.objects.create(source="demo", fingerprint=state, title="x", first_at=now, last_at=now)
        for state in (State.DEAD, State.RETRYING)
    }
    for state, failure in groups.items():
        RawPayload.objects.create(
            source="demo", state=state, received_at=now, size=1, inline_body=b"x", failure=failure
        )
    for name in ("0004", "0006"):
        call_command("migrate", "notifications", name, verbosity=0)
    found = {each.fingerprint: each.first_dead_at for each in FailureGroup.objects.all()}
    assert found == {State.DEAD: now, State.RETRYING: None}


@pytest.mark.usefixtures("database")
def test_failed_deliveries_from_before_are_grouped() -> None:
    now = timezone.now()
    reasons = ["is_archived: x", *["no_text: y"] * 600]  # more than one statement takes
    FailedDelivery.objects.bulk_create(
        FailedDelivery(channel="SLACK", event_time=now, text="x", reason=reason) for reason in reasons
    )
    for name in ("0007", "0008"):
        call_command("migrate", "notifications", name, verbosity=0)
    found = FailedDelivery.objects.order_by("pk").values_list("fingerprint", flat=True)
    assert list(found) == [reason_fingerprint(reason) for reason in reasons]
