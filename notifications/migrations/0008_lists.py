import django.db.models.deletion
from django.db import migrations, models
from notifications.migrations import LABEL
from notifications.utils.reason_fingerprint import reason_fingerprint

#: Rows of one statement.
BATCH = 500


def group_deliveries(apps, schema_editor):
    """Older failed deliveries have a reason and no fingerprint of it. One UPDATE for all of a batch that are alike:
    SQLite is locked meanwhile.
    """
    FailedDelivery = apps.get_model(LABEL, "FailedDelivery")
    rows = FailedDelivery.objects.using(schema_editor.connection.alias)
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", "reason")[:BATCH]):
        alike = {}
        for pk, reason in batch:
            alike.setdefault(reason_fingerprint(reason), []).append(pk)
        for fingerprint, pks in alike.items():
            rows.filter(pk__in=pks).update(fingerprint=fingerprint)
        last = batch[-1][0]


def link(model):
    """As the other columns of recorded actions: the row may be gone."""
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        null=True,
        on_delete=django.db.models.deletion.DO_NOTHING,
        to=f"{LABEL}.{model}",
    )


def seen_columns(model):
    return [
        migrations.AddField(
            model_name=model,
            name="seen_at",
            field=models.DateTimeField(help_text="When a person marked it as seen", null=True),
        ),
        migrations.AddField(model_name=model, name="seen_by", field=models.TextField(blank=True, db_default="")),
    ]


class Migration(migrations.Migration):
    dependencies = [
        (LABEL, "0007_series"),
    ]

    operations = [
        migrations.AddField(
            model_name="position",
            name="problem_since",
            field=models.DateTimeField(help_text="When that began; means nothing without a problem", null=True),
        ),
        migrations.AddField(
            model_name="faileddelivery",
            name="fingerprint",
            field=models.TextField(blank=True, db_default="", help_text="The same for reasons that are alike"),
        ),
        *seen_columns("loss"),
        *seen_columns("refusal"),
        migrations.AddField(
            model_name="refusal",
            name="seen_count",
            field=models.BigIntegerField(db_default=0, help_text="How many there were then: more of them are news"),
        ),
        *(
            migrations.AddField(model_name="operatoraction", name=name, field=link(name))
            for name in ("loss", "refusal")
        ),
        migrations.RunPython(group_deliveries, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="faileddelivery",
            index=models.Index(fields=["channel", "fingerprint", "-id"], name="failed_group"),
        ),
        migrations.AddIndex(
            model_name="failuregroup",
            index=models.Index(fields=["state"], name="failure_state"),
        ),
        migrations.AddIndex(
            model_name="loss",
            index=models.Index(condition=models.Q(("seen_at__isnull", True)), fields=["id"], name="loss_unseen"),
        ),
        *(
            migrations.AddIndex(
                model_name="operatoraction",
                index=models.Index(
                    condition=models.Q((f"{name}__isnull", False)), fields=[name, "id"], name=f"action_{name}"
                ),
            )
            for name in ("loss", "refusal")
        ),
    ]
