import json

import pytest
from django.contrib import admin as site
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tasks.admin import ReadOnly
from tasks.models import (
    Application,
    Attempt,
    Callback,
    Danger,
    Device,
    Family,
    Group,
    NamedList,
    Profile,
    ProfileVersion,
    Result,
    Sync,
    Task,
    Template,
    Transition,
)
from tasks.states import State
from tests.factories import (
    ApplicationFactory,
    AttemptFactory,
    CallbackFactory,
    DeviceFactory,
    GroupFactory,
    ProfileFactory,
    ResultFactory,
    TaskFactory,
    make_list,
    make_template,
)

pytestmark = pytest.mark.django_db

AUDITED = [
    Task, Attempt, Transition, Result, Callback, Profile, ProfileVersion, Danger, Device, Family, Group, Sync,
    Template, NamedList,
]  # fmt: skip
SECRET, PASSPHRASE, TOKEN = "canary-secret", "canary-passphrase", "canary-access-token"


@pytest.fixture
def data():
    application = ApplicationFactory(
        name="Plant",
        secret=SECRET,
        key_passphrase=PASSPHRASE,
        access_token=TOKEN,
        token_expires_at=timezone.now(),
    )
    tasks = [TaskFactory(application=application, state=State.RUNNING) for _ in range(3)]
    for task in tasks:
        AttemptFactory(task=task, answer='{"taskID": "<script>alert(1)</script>"}')
        CallbackFactory(task=task, body=b"<script>alert(1)</script>\xff\x00")
        ResultFactory(task=task, detail={"x": "<script>alert(1)</script>"})
    DeviceFactory(application=application)
    GroupFactory(application=application)
    profile = ProfileFactory()
    ProfileVersion.objects.create(
        profile=profile, number=1, definition=profile.definition, source="old.zip", imported_at=timezone.now()
    )
    Danger.objects.create(profile=profile, service_id="Valve", method="CLOSE")
    Sync.objects.create(application=application, problem="<script>alert(1)</script>")
    family = Family.objects.create(name="<script>alert(1)</script>", author=tasks[0].author)
    Task.objects.filter(pk__in=[task.pk for task in tasks]).update(family=family)
    tasks[2].origins.create(parent=tasks[0], devices=2)
    tasks[2].origins.create(parent=tasks[1], devices=1)
    make_template("<script>alert(1)</script>")
    make_list(application, ["d1"], "<script>alert(1)</script>")
    return tasks


def address(model, page, *args):
    return reverse(f"admin:tasks_{model._meta.model_name}_{page}", args=args)


def text(response):
    assert response.status_code == 200, response
    return response.content.decode()


def test_a_family_is_audited_with_its_tasks_and_a_rerun_with_all_its_parents(client, data, auditor):
    client.force_login(auditor)
    first, second, again = data
    family = text(client.get(address(Family, "change", first.refresh_from_db() or first.family_id)))
    assert f"{again}</a> RUNNING, rerun of #{first.pk}, #{second.pk}" in family
    listed = f"{address(Task, 'changelist')}?family__id__exact={first.family_id}"
    assert f'<a href="{listed}">All 3 in the list of tasks</a>' in family
    assert text(client.get(listed)).count('class="action-select"') in (0, 3)
    rerun = text(client.get(address(Task, "change", again.pk)))
    for parent in (first, second):
        assert f"#{again.pk} reruns #{parent.pk}" in rerun
        assert f"#{again.pk} reruns #{parent.pk}" in text(client.get(address(Task, "change", parent.pk)))


def test_all_that_is_kept_can_be_audited():
    assert {model for model, entry in site.site._registry.items() if isinstance(entry, ReadOnly)} == set(
        AUDITED
    )


@pytest.mark.parametrize("model", AUDITED, ids=lambda model: model.__name__)
@pytest.mark.parametrize("role", ["auditor", "superuser"])
def test_auditors_read_everything_and_nobody_changes_anything(client, data, request, role, model):
    client.force_login(request.getfixturevalue(role))
    before = list(model.objects.values())
    row = model.objects.first()
    for page in (address(model, "changelist"), address(model, "change", row.pk)):
        shown = text(client.get(page))
        assert "<script>alert(1)" not in shown
        for secret in (SECRET, PASSPHRASE, TOKEN, *(task.callback_token for task in data)):
            assert secret not in shown
    assert client.get(address(model, "add")).status_code == 403
    for page in (
        address(model, "add"),
        address(model, "change", row.pk),
        address(model, "delete", row.pk),
    ):
        assert client.post(page, {"post": "yes", "state": "COMPLETE", "name": "x"}).status_code == 403
    client.post(
        address(model, "changelist"),
        {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"},
    )
    assert list(model.objects.values()) == before


@pytest.mark.parametrize("model", AUDITED, ids=lambda model: model.__name__)
def test_lists_are_searched_filtered_and_browsed_by_date(client, data, superuser, model):
    client.force_login(superuser)
    entry = site.site._registry[model]
    page = address(model, "changelist")
    for term in ("x", "1", "%", "'", "é", "9" * 30):
        text(client.get(page, {"q": term}))
    for name in entry.list_filter:
        value = model.objects.values_list(name, flat=True).first()
        lookup = "id__exact" if isinstance(model._meta.get_field(name), models.ForeignKey) else "exact"
        text(client.get(page, {f"{name}__isnull": True} if value is None else {f"{name}__{lookup}": value}))
    for column in range(1, len(entry.list_display) + 1):
        text(client.get(page, {"o": column}))
    if dates := entry.date_hierarchy:
        this_year = text(client.get(page, {f"{dates}__year": timezone.now().year}))
        assert "result_list" in this_year
        assert "result_list" not in text(client.get(page, {f"{dates}__year": 1999}))


@pytest.mark.parametrize("model", [*AUDITED, Application], ids=lambda model: model.__name__)
def test_a_list_costs_no_more_queries_the_longer_it_is(
    client, data, superuser, model, django_assert_num_queries
):
    client.force_login(superuser)
    page = address(model, "changelist")
    client.get(page)
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(page)
    for _ in range(5):
        task = TaskFactory(application=data[0].application, author=data[0].author, state=State.RUNNING)
        AttemptFactory(task=task)
        CallbackFactory(task=task)
        ResultFactory(task=task)
    with CaptureQueriesContext(connection) as many:
        client.get(page)
    assert len(many) == len(few) <= 12


def test_the_request_is_shown_without_the_callback_secret(client, data, auditor):
    client.force_login(auditor)
    task = data[0]
    shown = text(client.get(address(Task, "change", task.pk)))
    assert "device-1" in shown
    assert "SET_REPORT_PERIOD" in shown
    assert task.callback_token not in shown
    assert task.callback_token[:6] in shown


@pytest.mark.parametrize("role", ["operator"])
def test_who_may_not_audit_sees_no_admin(client, data, request, role):
    client.force_login(request.getfixturevalue(role))
    assert client.get(address(Task, "changelist")).status_code in (302, 403)


# Applications


def posted(**changes):
    return {
        "name": "Plant", "url": "https://platform.example:8743", "app_id": "app1", "secret": "", "ca": "",
        "certificate": "", "key": "", "key_passphrase": "", "calls_per_minute": 100, "unfinished_limit": 10,
        "confirm_above": 100,
    } | changes  # fmt: skip


def test_an_admin_changes_an_application_and_keeps_its_secrets(client, data, admin):
    client.force_login(admin)
    application = Application.objects.get(name="Plant")
    page = address(Application, "change", application.pk)
    shown = text(client.get(page))
    for secret in (SECRET, PASSPHRASE, TOKEN):
        assert secret not in shown
    assert client.post(page, posted(unfinished_limit=1)).status_code == 302
    application.refresh_from_db()
    assert (application.secret, application.key_passphrase, application.unfinished_limit) == (
        SECRET,
        PASSPHRASE,
        1,
    )
    assert client.post(page, posted(secret="new")).status_code == 302
    application.refresh_from_db()
    assert (application.secret, application.access_token) == ("new", "")


def test_another_address_needs_the_secret_again(client, data, admin):
    """X09: a changed host cannot receive the stored secret."""
    client.force_login(admin)
    application = Application.objects.get(name="Plant")
    page = address(Application, "change", application.pk)
    assert "Type the secret again" in text(client.post(page, posted(url="https://evil.example:8743")))
    application.refresh_from_db()
    assert application.url == "https://platform.example:8743"
    assert client.post(page, posted(url="https://new.example:8743", secret="s2")).status_code == 302
    application.refresh_from_db()
    assert (application.url, application.secret) == ("https://new.example:8743", "s2")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://far.example:1"},
        {"name": ""},
        {"app_id": "a" * 65},
        {"calls_per_minute": 0},
        {"secret": ""},
    ],
)
def test_an_application_that_cannot_work_is_not_added(client, superuser, wrong):
    client.force_login(superuser)
    shown = text(client.post(address(Application, "add"), posted(secret=SECRET) | wrong))
    assert "errorlist" in shown
    assert SECRET not in shown
    assert not Application.objects.exists()


def test_auditors_see_applications_without_secrets_and_change_none(client, data, auditor):
    client.force_login(auditor)
    application = Application.objects.get(name="Plant")
    page = address(Application, "change", application.pk)
    shown = text(client.get(page)) + text(client.get(address(Application, "changelist")))
    for secret in (SECRET, PASSPHRASE, TOKEN):
        assert secret not in shown
    assert client.post(page, posted(unfinished_limit=1)).status_code == 403
    assert client.post(address(Application, "add"), posted()).status_code == 403


def test_no_secret_is_in_the_admin_log(client, data, admin):
    from django.contrib.admin.models import LogEntry

    client.force_login(admin)
    page = address(Application, "change", Application.objects.get(name="Plant").pk)
    client.post(page, posted(secret="canary-new", key_passphrase="canary-new-2"))
    assert LogEntry.objects.count() == 1
    assert "canary" not in json.dumps(list(LogEntry.objects.values()), default=str)


def test_callbacks_are_listed_newest_first_and_those_that_wait_in_the_order_of_settling(
    client, data, auditor
):
    task = data[0]
    first = task.callbacks.get()
    others = CallbackFactory.create_batch(2, task=task)
    Callback.objects.filter(task=task).update(state=Callback.State.SETTLED)

    def listed(query):
        return [
            row.pk for row in client.get(address(Callback, "changelist") + query).context["cl"].result_list
        ]

    client.force_login(auditor)
    newest_first = [others[1].pk, others[0].pk, first.pk]
    assert listed(f"?q={task.pk}") == newest_first
    assert listed(f"?q={task.pk}&state__exact=SETTLED") == newest_first
    assert listed("?state__exact=NEW") == [other.callbacks.get().pk for other in data[1:]]
    waits = CallbackFactory(task=task)
    assert listed(f"?q=%23{task.pk}") == [waits.pk, *newest_first]
