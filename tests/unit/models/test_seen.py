"""Losses and refused entries that are marked as seen."""

import pytest
from django.utils import timezone

from notifications.models import Loss, OperatorAction, Refusal
from notifications.operations import prune

pytestmark = pytest.mark.usefixtures("database")


def loss(key: str) -> Loss:
    return Loss.objects.create(origin="o", reason="r", key=key, until=timezone.now())


def refusal(name: str, count: int) -> Refusal:
    now = timezone.now()
    where = {"machine": "m", "journal": "j", "reason": "r", "author": "a"}
    return Refusal.objects.create(name=name, count=count, since=now, until=now, **where)


def test_each_that_changes_is_recorded_once() -> None:
    first, second = loss("1"), loss("2")
    assert Loss.objects.filter(pk=first.pk).mark_seen("ada") == 1
    assert Loss.objects.all().mark_seen("bob\0") == 1
    assert Loss.objects.all().mark_unseen("ada") == 2
    recorded = OperatorAction.objects.order_by("pk").values_list("loss_id", "what", "by")
    assert list(recorded)[:2] == [(first.pk, "marked as seen", "ada"), (second.pk, "marked as seen", "bob\ufffd")]
    assert [row[1] for row in list(recorded)[2:]] == ["marked as not seen"] * 2


def test_refusals_are_seen_up_to_their_count() -> None:
    going_on, over = refusal("A", 5), refusal("B", 5)
    assert Refusal.objects.all().mark_seen("ada") == 2
    Refusal.objects.filter(pk=going_on.pk).update(count=6)
    assert list(Refusal.objects.unseen()) == [going_on]
    assert list(Refusal.objects.seen()) == [over]
    assert Refusal.objects.all().mark_seen("ada") == 1
    assert Refusal.objects.all().mark_unseen("ada") == 2
    assert Refusal.objects.unseen().count() == 2


def test_prune_raw_deletes_the_records_of_rows_that_are_gone() -> None:
    left, gone = loss("1"), loss("2")
    refusal("A", 5)
    for rows in (Loss, Refusal):
        rows.objects.all().mark_seen("ada")
    Loss.objects.filter(pk=gone.pk).delete()
    Refusal.objects.all().delete()
    assert sum(prune.prune_records()) == 2
    assert OperatorAction.objects.get().loss_id == left.pk
