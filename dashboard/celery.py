"""The Celery application. ``celery -A dashboard worker`` finds it here; jobs are in ``tasks/jobs.py``."""

from __future__ import annotations

import os

from celery import Celery

from dashboard import broker, worker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
broker.register()

app = Celery("muster", task_cls=worker.Job)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["tasks"], related_name="jobs")
worker.look(app)
