"""The three roles: operator, auditor, admin. What each may do is one table."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

OPERATOR = (
    "view_application", "view_task", "add_task", "cancel_task", "settle_task", "prioritise_task", "view_result",
    "view_profile", "add_profile", "view_device", "view_group",
)
AUDITOR = (
    "view_application", "view_task", "view_result", "view_profile", "view_device", "view_group",
    "view_attempt", "view_transition", "view_callback",
)
ADMIN = (
    *OPERATOR, *AUDITOR, "add_application", "change_application",
    "view_user", "add_user", "change_user", "view_group", "view_logentry",
)
ROLES = {"operator": OPERATOR, "auditor": AUDITOR, "admin": ADMIN}


def make_roles(apps, schema_editor):
    for label in ("tasks", "auth", "admin"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=schema_editor.connection.alias)
    group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for role, codenames in ROLES.items():
        group.objects.get_or_create(name=role)[0].permissions.set(
            permission.objects.filter(codename__in=set(codenames), content_type__app_label__in=["tasks", "auth", "admin"])
        )


class Migration(migrations.Migration):
    dependencies = [
        ("tasks", "0001_first_models"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
