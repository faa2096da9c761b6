import pytest
from celery import current_app

from tasks import clock, jobs, sync
from tasks.models import Application, Task
from tasks.states import State
from tests.factories import CallbackFactory, TaskFactory

pytestmark = pytest.mark.django_db

JOBS = {"submit", "settle", "reconcile", "read_catalogue", "seek_evidence", "sweep", "prune"}


def test_workers_know_every_job():
    current_app.loader.import_default_modules()
    assert {name.rpartition(".")[2] for name in current_app.tasks if name.startswith("tasks.jobs.")} == JOBS


def test_the_sweep_is_on_the_schedule(settings):
    assert "tasks.jobs.sweep" in [row["task"] for row in settings.CELERY_BEAT_SCHEDULE.values()]


def test_nothing_is_put_off_by_the_broker(settings):
    """Q14, Q19, Q20: due times are in rows; results are nobody's; only JSON is taken."""
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert settings.CELERY_TASK_IGNORE_RESULT
    assert settings.CELERY_TASK_REJECT_ON_WORKER_LOST is False
    assert settings.CELERY_TASK_TIME_LIMIT < 180  # the lease of a submission


def test_jobs_do_what_their_names_say(application, sandbox):
    task = TaskFactory(application=application, devices=sandbox.devices(1))
    jobs.submit(task.pk)
    assert Task.objects.get().state == State.RUNNING
    callback = CallbackFactory(task=task)
    jobs.settle(task.pk)
    callback.refresh_from_db()
    assert callback.state == "SETTLED"
    Task.objects.update(poll_at=clock.now())
    jobs.reconcile(task.pk)
    assert Task.objects.get().platform_status
    jobs.read_catalogue(sync.start(application).pk)
    assert Application.objects.get().catalogue_at
    jobs.sweep()


@pytest.mark.parametrize("job", sorted(JOBS - {"sweep", "prune"}))
def test_a_job_for_a_task_that_is_gone_is_no_trouble(job):
    getattr(jobs, job)(10**9)
