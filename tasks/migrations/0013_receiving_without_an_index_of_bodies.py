"""Callbacks are no longer unique by their bodies' hash: that index cost the receiver half of its speed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0012_outlines")]
    operations = [
        migrations.AddIndex(
            model_name="callback", index=models.Index(fields=["task", "id"], name="callback_of_task")
        ),
        migrations.RemoveConstraint(model_name="callback", name="equal_bodies_share_a_row"),
        migrations.RemoveField(model_name="callback", name="body_sha256"),
    ]
