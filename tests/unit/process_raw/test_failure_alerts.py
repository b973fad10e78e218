"""What is reported of a failure group: each once, with a link to its page, and without what the payload said."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from django.utils import timezone

from notifications import GiveUp
from notifications.events import admin_links
from notifications.models import FailureGroup, RawPayload
from notifications.process_raw.handle_payload import handle
from notifications.signals import failure_group_changed
from notifications.testing import Told
from tests.support.payloads import claimed, kept

pytestmark = pytest.mark.usefixtures("database")

SECRET: Final = "4111 1111 1111 1111"
WHAT: Final = r"(ValueError|GiveUp) \(process_raw/test_failure_alerts\.py:\d+, handler\)"
Fail = Callable[..., None]


@pytest.fixture
def fail(on_demo: Any) -> Fail:
    """Has one more payload fail in the same way: tried again later, or for good."""

    def fail(*, final: bool = False) -> None:
        kept()
        (payload,) = claimed()
        payload.attempts = 15 if final else 0  # the last but one, or none

        def handler(_: RawPayload) -> None:
            raise ValueError(SECRET)

        on_demo(handler)
        handle(payload)

    return fail


def alerts(told: Told) -> list[str]:
    """The texts of those that came since the last call, without the lines of the code."""
    return [re.sub(WHAT, "WHAT", event.text) for event in told.events() if event.data.get("alert")]


def test_a_new_one_and_its_first_dead_payload_once_each(fail: Fail, told: Told) -> None:
    fail()
    fail()
    assert alerts(told) == ["demo fails in a new way: WHAT"]
    fail(final=True)
    fail(final=True)
    assert alerts(told) == ["demo: its first payload is dead: WHAT"]


def test_one_that_is_new_and_dead_at_once_is_one_message(on_demo: Any, told: Told) -> None:
    def handler(_: RawPayload) -> None:
        raise GiveUp(SECRET)

    on_demo(handler)
    kept()
    handle(claimed()[0])
    assert alerts(told) == ["demo fails in a new way: WHAT; its first payload is dead"]


def test_one_that_was_resolved_and_fails_again(fail: Fail, told: Told) -> None:
    fail(final=True)
    FailureGroup.objects.all().resolve("ada")
    FailureGroup.objects.update(resolved_at=timezone.now() - timedelta(hours=2, minutes=3))
    fail()
    fail()
    fail(final=True)
    assert alerts(told) == [
        "demo fails in a new way: WHAT; its first payload is dead",
        "demo: ValueError is resolved, by ada",
        "demo fails again: WHAT; resolved 2 h ago by ada",
        "demo: its first payload is dead: WHAT",
    ]


def groups(count: int) -> None:
    now = timezone.now()
    FailureGroup.objects.bulk_create(
        FailureGroup(source="demo", fingerprint=str(n), title=f"E{n}: {SECRET}\nx", first_at=now, last_at=now)
        for n in range(count)
    )


def test_those_that_are_resolved_together_are_one_message(told: Told, settings: Any) -> None:
    settings.NOTIFICATIONS_SITE_URL = "https://shop.example.org"
    groups(7)
    assert FailureGroup.objects.all().resolve("ada\nSLACK: forged") == 7
    (event,) = told.events()
    assert event.text.splitlines() == [
        "7 failure groups are resolved, by ada SLACK: forged: demo: E0; demo: E1; demo: E2; demo: E3; demo: E4;"
        " and 2 more",
        "https://shop.example.org/admin/notifications/failuregroup/?state=resolved",
    ]
    assert event.data["groups"] == list(FailureGroup.objects.order_by("pk").values_list("pk", flat=True))
    assert FailureGroup.objects.all().resolve("ada") == 0
    assert told.events() == []


def test_however_many_are_resolved_together_it_fits_into_a_message(told: Told) -> None:
    groups(300)
    FailureGroup.objects.all().resolve("ada")
    (event,) = told.events()
    assert len(event.data["groups"]) == 100
    assert "and 295 more" in event.text


def test_each_receiver_hears_of_each_group(told: Told) -> None:
    heard: list[str] = []

    def hear(*, title: str, state: str, **_: Any) -> None:
        heard.append(f"{title[:2]} {state}")

    groups(2)
    failure_group_changed.connect(hear)
    try:
        FailureGroup.objects.all().resolve("ada")
    finally:
        failure_group_changed.disconnect(hear)
    assert heard == ["E0 resolved", "E1 resolved"]


def test_a_muted_one_is_not_reported(fail: Fail, told: Told) -> None:
    fail()
    FailureGroup.objects.all().mute("ada", timezone.now() + timedelta(hours=1))
    fail(final=True)
    assert alerts(told) == ["demo fails in a new way: WHAT"]


def test_other_changes_of_a_group_are_not_reported(fail: Fail, told: Told) -> None:
    fail()
    FailureGroup.objects.all().acknowledge("ada")
    FailureGroup.objects.all().reopen("ada")
    assert alerts(told) == ["demo fails in a new way: WHAT"]


def test_each_links_to_its_group(fail: Fail, told: Told, settings: Any) -> None:
    settings.NOTIFICATIONS_SITE_URL = "https://shop.example.org"
    fail(final=True)
    group = FailureGroup.objects.get()
    FailureGroup.objects.all().resolve("ada")
    fail()
    link = f"https://shop.example.org/admin/notifications/failuregroup/{group.pk}/change/"
    events = told.events()
    assert [event.text.splitlines()[1:] for event in events] == [[link]] * 3
    assert {event.data["group"] for event in events} == {group.pk}


def test_what_the_payload_said_is_in_none(fail: Fail, told: Told) -> None:
    fail(final=True)
    FailureGroup.objects.all().resolve("ada\nSLACK: forged")
    fail()
    events = told.events()
    assert len(events) == 3
    assert SECRET not in repr(events)
    assert [event.text for event in events if "\n" in event.text] == []


def test_a_project_without_an_admin_has_no_links(fail: Fail, told: Told, settings: Any) -> None:
    settings.NOTIFICATIONS_SITE_URL = "https://shop.example.org"
    settings.ROOT_URLCONF = "notifications.urls"
    fail()
    assert alerts(told) == ["demo fails in a new way: WHAT"]


def test_urls_that_are_broken_keep_no_alert_back(
    fail: Fail, told: Told, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.NOTIFICATIONS_SITE_URL = "https://shop.example.org"
    settings.ROOT_URLCONF = "there.is.none"
    admin_links.say_once.cache_clear()
    fail()
    admin_links.admin_path(FailureGroup)
    assert alerts(told) == ["demo fails in a new way: WHAT"]
    assert caplog.text.count("Addresses in the admin are unknown") == 1
