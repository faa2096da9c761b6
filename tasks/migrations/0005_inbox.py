"""Callbacks move to the database ``inbox`` where there is one; pushes kept before this was released are dropped there."""

import django.db.models.deletion
from django.db import DEFAULT_DB_ALIAS, migrations, models

from tasks.models.callback import inbox


def drop_the_old_table(apps, schema_editor):
    if inbox() != DEFAULT_DB_ALIAS:
        schema_editor.execute("DROP TABLE IF EXISTS tasks_callback")


class Migration(migrations.Migration):
    dependencies = [("tasks", "0004_settling")]
    operations = [
        migrations.AlterField(
            model_name="callback",
            name="task",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="callbacks",
                to="tasks.task",
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="revoked_at",
            field=models.DateTimeField(
                blank=True, help_text="From then on nothing is taken at its callback address.", null=True
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="pushes_dropped",
            field=models.PositiveIntegerField(
                default=0, help_text="Settled pushes that were dropped: more came than 200 for each device."
            ),
        ),
        migrations.RunPython(drop_the_old_table, migrations.RunPython.noop),
    ]
