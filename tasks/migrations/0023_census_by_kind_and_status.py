from django.db import migrations, models
from django.db.models import Count, Min


def count_anew(apps, schema_editor):
    """As ``tasks.reach.counted`` does after each reading."""
    device, census = apps.get_model("tasks", "Device"), apps.get_model("tasks", "Census")
    kind = ("device_type", "manufacturer_id", "model", "status")
    for each in census.objects.all():
        devices = device.objects.filter(application_id=each.pk).order_by()
        rows = list(devices.values_list(*kind).annotate(count=Count("pk"), one=Min("pk")))
        rows.sort(key=lambda row: (-row[4], row[:4]))
        names = dict(device.objects.filter(pk__in=[row[5] for row in rows[:1000]]).values_list("pk", "device_id"))
        each.parts = [[*row[:5], names.get(row[5], "")] for row in rows]
        each.save(update_fields=["parts"])


class Migration(migrations.Migration):
    dependencies = [
        ("tasks", "0022_profiles_before_groups"),
    ]

    operations = [
        migrations.AddField(
            model_name="census",
            name="parts",
            field=models.JSONField(
                default=list,
                help_text="[[deviceType, manufacturerId, model, status, devices, the id of one of them], ...]",
            ),
        ),
        migrations.RunPython(count_anew, migrations.RunPython.noop, elidable=True),
        migrations.RemoveField(model_name="census", name="kinds"),
        migrations.RemoveField(model_name="census", name="statuses"),
    ]
