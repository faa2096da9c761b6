from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0019_origins'),
    ]

    operations = [
        migrations.RemoveField('task', 'rerun_of'),
        migrations.AddField('task', 'rerun_of', models.ManyToManyField(
            blank=True, related_name='reruns', through='tasks.Origin', through_fields=('task', 'parent'),
            to='tasks.task',
        )),
    ]
