"""An upgrade of a database that has rows."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from notifications.models import FailureGroup, RawPayload, State


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
