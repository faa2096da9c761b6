import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0018_families'),
    ]

    operations = [
        migrations.CreateModel(
            name='Origin',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('devices', models.PositiveIntegerField(blank=True, help_text='How many of its devices.', null=True)),
                ('parent', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='offspring', to='tasks.task')),
                ('task', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='origins', to='tasks.task')),
            ],
            options={
                'ordering': ['parent_id'],
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('task', 'parent'), name='one_origin_per_parent')],
            },
        ),
        migrations.RunSQL(
            'INSERT INTO tasks_origin (task_id, parent_id, devices) '
            'SELECT id, rerun_of_id, expected FROM tasks_task WHERE rerun_of_id IS NOT NULL',
            'UPDATE tasks_task SET rerun_of_id = '
            '(SELECT min(parent_id) FROM tasks_origin WHERE task_id = tasks_task.id) '
            'WHERE id IN (SELECT task_id FROM tasks_origin)',
        ),
    ]
