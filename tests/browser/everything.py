"""Every page there is, with what is hard to show on it: long words, foreign scripts, large numbers, nothing at all."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from tasks.lifecycle.values import read as read_values
from tasks.models import (
    Application,
    Danger,
    Device,
    DeviceList,
    Draft,
    Family,
    Group,
    Profile,
    Sync,
    Task,
    ValueTable,
)
from tasks.profiles import schema
from tasks.profiles.schema import Command, DataType, Parameter, Property, Response, Service
from tests.factories import (
    ApplicationFactory,
    AttemptFactory,
    CallbackFactory,
    GroupFactory,
    ProfileFactory,
    ResultFactory,
    TallyFactory,
    TaskFactory,
    make_list,
    make_template,
)

WORD = "a-very-long-name-without-any-blank-" * 7
CHINESE = "夜间关闭第三区所有水阀并上报压力" * 16
HEBREW = "סגירת ברזים בלילה 17 באזור הצפוני"
DEVICE = "0123456789abcdef-" * 15
MANY = 1_234_567


def _parameters() -> tuple[Parameter, ...]:
    """Thirty of them, of every type."""
    types = list(DataType)
    special = (
        Parameter("mode", DataType.STRING, required=True, choices=("ECO", "NORMAL", "FULL")),
        Parameter("报告周期", DataType.INT, True, unit="min", description=CHINESE[:80]),
        Parameter(WORD[:120], DataType.STRING, max_length=20, description=WORD),
    )
    return special + tuple(
        Parameter(
            f"parameter{number}", types[number % len(types)], required=number < 6, description="What it does."
        )
        for number in range(27)
    )


def _profile() -> Profile:
    wide = Command(
        "SET_EVERYTHING", _parameters(), (Response("DONE", (Parameter("state", DataType.STRING),)),)
    )
    services = (
        Service("Valve", "Valve", commands=(wide, Command("CLOSE"))),
        Service(
            "Telemetry", "Telemetry", description=HEBREW,
            properties=(Property("压力", DataType.DECIMAL, unit="kPa", method="RE"),),
        ),
    )  # fmt: skip
    definition = schema.Profile(
        "Meter", "m-1", "Maker", "X1", "CoAP", services, ("A note on the import. " * 6,)
    )
    profile = ProfileFactory(
        device_type="Meter", manufacturer_id="m-1", manufacturer_name="Maker", model="X1", source=f"{WORD}.zip",
        definition=schema.to_dict(definition), version=2,
    )  # fmt: skip
    profile.versions.create(
        number=1, definition=profile.definition, source="old.zip", imported_at=timezone.now()
    )
    Danger.objects.create(profile=profile, service_id="Valve", method="SET_EVERYTHING")
    return profile


def _fleet() -> Application:
    application = ApplicationFactory(name="水务 Waterworks", app_id=f"app-{WORD[:100]}")
    groups = [
        GroupFactory(
            application=application, name=f"{name} {number}", group_id=f"g-{number}", size=number * 37_003
        )
        for number in range(13)
        for name in [(HEBREW, CHINESE[:100], "night", WORD[:120])[number % 4]]
    ]
    devices = Device.objects.bulk_create(
        Device(
            application=application, device_id=f"{DEVICE[:250]}{number}", name=name, node_id="86700000000000" * 2,
            device_type="Meter", manufacturer_id="m-1", model="X1", location=location, status=status,
            protocol="CoAP", registered_at=timezone.now(),
        )
        for number, (name, location, status) in enumerate([
            (CHINESE, "第三区", "ONLINE"), (HEBREW, "Hall-A", "OFFLINE"), (WORD, WORD[:200], "ABNORMAL"),
            ("", "", "INACTIVE"), ("Meter 5", "Hall-A", "A_STATUS_NOBODY_KNOWS"),
        ])
    )  # fmt: skip
    for device in devices:
        device.memberships.create(group=groups[0], seen_in=1)
    Application.objects.filter(pk=application.pk).update(catalogue_at=timezone.now())
    application.refresh_from_db()
    return application


def _tasks(application: Application, author: User) -> dict[str, Task]:
    now = timezone.now()

    def task(name: str, state: str, **more: Any) -> Task:
        given = {"counts": {}, "reason": "", "platform_task_id": ""} | more
        return TaskFactory(application=application, author=author, name=name, state=state, **given)

    refused = {
        "error_code": "100217",
        "error_status": 200,
        "error_text": "The gateway hasn't been bound. " * 4,
    }
    counts = {
        "SUCCESSFUL": 1_000_001, "FAILED": 123_456, "TIMEOUT": 1, "EXPIRED": 9_999, "CANCELED": 2, "DELIVERED": 1_108,
        "SENT": 20_000, "PENDING": 30_000, "": 50_000,
    }  # fmt: skip
    tasks = {
        "queued": task(WORD, "QUEUED", deferrals=2, reason="the platform did not answer: " + WORD),
        "unconfirmed": task("Outcome not known", "UNCONFIRMED", reason="the connection broke"),
        "refused": task(HEBREW, "REFUSED", reason="the platform refused it", **refused),
        "cancelled": task("Cancelled", "CANCELLED", reason="cancelled by an operator"),
        "abandoned": task("Given up", "ABANDONED", reason="given up by an operator"),
        "complete": task(
            CHINESE, "COMPLETE", listed=True, ask={"command": {"paras": {"周期": WORD, "b": 1}}}
        ),
        "stalled": task("Stalled", "RUNNING", timeout=2880, platform_task_id="f" * 32),
        "timed-out": task("Timed out", "TIMED_OUT", listed=True, devices=["device-1"], counts={"": 1}),
    }
    Task.objects.filter(pk=tasks["complete"].pk).update(
        expected=MANY, counts=counts, submitted_at=now - dt.timedelta(hours=30), finished_at=now,
        platform_counts={"total": MANY, "success": 1_000_003, "at": now.isoformat()},
    )  # fmt: skip
    Task.objects.filter(pk=tasks["stalled"].pk).update(
        expected=MANY, counts={"SUCCESSFUL": 12, "": MANY - 12}, submitted_at=now - dt.timedelta(hours=3),
    )  # fmt: skip
    for number in range(40):
        for status in ("SUCCESSFUL", "FAILED"):
            at = (now - dt.timedelta(minutes=45 * number)).replace(second=0, microsecond=0)
            TallyFactory(task=tasks["complete"], status=status, at=at, count=25_000 - number * 600)
    for number, status in enumerate(counts):
        ResultFactory(
            task=tasks["complete"], device_id=f"{DEVICE[:250]}{number}", status=status, command_id=f"c-{number}",
            detail={"压力": "正常" * 60, HEBREW: WORD} if number % 2 else None, unexpected=number == 3,
            conflict=number == 1, error_code="100451" if number == 1 else "", error_text=WORD if number == 1 else "",
            sent_at=now, delivered_at=now, finished_at=now, source="push",
        )  # fmt: skip
    AttemptFactory(
        task=tasks["refused"],
        outcome="refused",
        finished_at=now,
        http_status=200,
        answer=f'{{"a": "{WORD}"}}',
    )
    CallbackFactory(task=tasks["complete"])
    return tasks


def _family(application: Application, author: User, name: str, many: int) -> Family:
    family = Family.objects.create(name=name, author=author)
    states = ["COMPLETE", "COMPLETE", "RUNNING", "QUEUED", "UNCONFIRMED", "REFUSED", "TIMED_OUT", "CANCELLED"]
    for number in range(many):
        state = states[number % len(states)]
        TaskFactory(
            application=application, author=author, family=family, name=f"{name[:200]} ({number + 1} of {many})",
            state=state, devices=[f"d-{number}-{n}" for n in range(3)], listed=state == "COMPLETE",
            counts={"SUCCESSFUL": 2, "FAILED": 1} if state == "COMPLETE" else {},
            ask={"command": {"paras": {"period": number, "mode": ("ECO", "压力")[number % 2], "text": WORD}}},
        )  # fmt: skip
    parent = family.tasks.order_by("pk")[0]
    TaskFactory(
        application=application, author=author, family=family, rerun_of=parent, rerun_outcomes=["failed"],
        state="COMPLETE", devices=["d-0-2"], counts={"SUCCESSFUL": 1}, name="Rerun",
    )  # fmt: skip
    return family


def _drafts(application: Application, author: User, profile: Profile) -> dict[str, Draft]:
    def draft(**values: Any) -> Draft:
        typed = {
            "application": str(application.pk), "profile": str(profile.pk), "service_id": "Valve",
            "timeout": "1440", "callback": "on",
        } | values  # fmt: skip
        posted = {name: each if isinstance(each, list) else [each] for name, each in typed.items()}
        return Draft.objects.create(author=author, values=posted)

    many = DeviceList.of(
        author, [f"{number:032x}" for number in range(100_000)], source=f"{WORD}.csv", duplicates=12
    )
    bad = DeviceList.of(
        author,
        ["d-1"],
        bad=[[line, WORD, "is longer than 256 characters"] for line in range(1, 30)],
        bad_count=29,
    )
    table = "deviceId,parameter0\n" + "".join(f"d-{n},{n % 12}\n" for n in range(60))
    valued = DeviceList.of(author, [f"d-{n}" for n in range(60)], source="the table of values")
    DeviceList.objects.bulk_create([many, bad, valued])
    parsed = read_values(table, None)
    ValueTable.objects.create(
        devices=valued, columns=parsed.columns, unused=parsed.unused, text=table,
        sets=[[each.values, len(each.devices)] for each in parsed.sets],
    )  # fmt: skip
    listed = {"target_type": "DeviceList", "method": "CLOSE"}
    return {
        "wide": draft(
            target_type="GroupList", group_names=["night 2"], method="SET_EVERYTHING", name=CHINESE
        ),
        "many": draft(**listed, device_list=str(many.pk), name=WORD[:200]),
        "bad": draft(**listed, device_list=str(bad.pk)),
        "values": draft(**listed | {"profile": "", "method": "SET"}, device_list=str(valued.pk), name=HEBREW),
        "broadcast": draft(target_type="Broadcast", method="CLOSE", name="Everybody"),
        "discarded": draft(target_type="Broadcast", method="CLOSE", name=WORD[:200]),
    }


def fill(author: User) -> dict[str, str]:
    """Make the rows and tell the pages: what each is called, and its address."""
    profile, application = _profile(), _fleet()
    tasks = _tasks(application, author)
    big, small = _family(application, author, CHINESE, 12), _family(application, author, "Two", 2)
    drafts = _drafts(application, author, profile)
    Draft.objects.filter(pk=drafts["discarded"].pk).discard()
    template = make_template(
        WORD[:120], locked=["target", "timeout", "tags"], target_type="GroupList", group_names="night 2",
        tag_name="区", tag_value=CHINESE[:100], description=CHINESE,
    )  # fmt: skip
    template.add_version(author, values=template.newest.values, locked=["timeout"], note=HEBREW)
    saved = make_list(application, [f"{DEVICE[:250]}{number}" for number in range(5)], WORD[:120], author)
    empty = make_list(application, ["d-1"], HEBREW, author)
    sync = Sync.objects.create(
        application=application, asked_by=author, total=1_234_567, done=98_765, remarks=[WORD],
        problem="the platform does not answer: " + WORD, failures=3, due_at=timezone.now() + dt.timedelta(days=1),
    )  # fmt: skip
    device = f"{DEVICE[:250]}1"
    complete = tasks["complete"]
    group = Group.objects.order_by("pk")[0]
    return {
        "tasks": "/tasks/",
        "tasks-none": "/tasks/?text=nothing-has-this-name",
        "tasks-bad-filter": "/tasks/?since=tomorrow",
        **{f"task-{name}": f"/tasks/{task.pk}/" for name, task in tasks.items()},
        "task-progress": f"/tasks/{complete.pk}/progress/",
        "task-answers": f"/tasks/{complete.pk}/answers/",
        "task-timeline": f"/tasks/{tasks['refused'].pk}/timeline/",
        "task-results": f"/tasks/{complete.pk}/results/",
        "task-no-results": f"/tasks/{complete.pk}/results/?device=nothing",
        "task-rerun": f"/tasks/{complete.pk}/rerun/",
        "report": f"/tasks/{complete.pk}/report/",
        "family": f"/families/{big.pk}/",
        "family-small": f"/families/{small.pk}/",
        "family-rerun": f"/families/{big.pk}/rerun/",
        "family-tasks": f"/tasks/?family={big.pk}",
        "compose": "/compose/",
        **{
            f"compose-{kind}": f"/compose/?target_type={kind}&application={application.pk}&profile={profile.pk}"
            for kind in ("DeviceList", "DeviceType", "DeviceArea", "GroupList", "GroupIdList", "Broadcast")
        },
        **{
            f"compose-draft-{name}": f"/compose/?draft={draft.pk}"
            for name, draft in drafts.items()
            if name != "discarded"
        },
        **{
            f"compose-from-{name}": f"/compose/?application={application.pk}&devices_from={name}"
            for name in ("list", "catalogue", "task")
        },
        "compose-template": f"/compose/?template={template.pk}",
        "compose-repeat": f"/compose/?repeat={complete.pk}",
        **{f"confirm-{name}": f"/compose/{drafts[name].pk}/" for name in ("many", "broadcast", "values")},
        "drafts": "/drafts/",
        "drafts-undo": f"/drafts/?discarded={drafts['discarded'].pk}",
        "templates": "/templates/",
        "template": template.get_absolute_url(),
        "template-old": f"{template.get_absolute_url()}?version=1",
        "template-save": f"/templates/save/?draft={drafts['wide'].pk}",
        "device": f"/devices/?id={device}",
        "device-none": "/devices/",
        "device-unknown": "/devices/?id=nobody-knows-it",
        "lists": "/lists/",
        "list-new": "/lists/new/",
        "list": saved.get_absolute_url(),
        "list-small": empty.get_absolute_url(),
        "list-change": f"{saved.get_absolute_url()}change/",
        "queue": "/queue/",
        "attention": "/attention/",
        "catalogue": f"/catalogue/?application={application.pk}",
        "catalogue-none": f"/catalogue/?application={application.pk}&text=nothing",
        "groups": f"/catalogue/groups/?application={application.pk}",
        "group": f"/catalogue/?application={application.pk}&group={group.pk}",
        "profiles": "/catalogue/profiles/",
        "profile": profile.get_absolute_url(),
        "profile-old": f"{profile.get_absolute_url()}?version=1",
        "reading": f"/catalogue/{sync.application_id}/reading/",
        "password": "/password/",
        "missing": "/tasks/999999/",
        "only-a-form": "/compose/preview/",
        "audit": "/admin/",
        "audit-app": "/admin/tasks/",
        "audit-users": "/admin/auth/user/",
        "audit-user": f"/admin/auth/user/{author.pk}/change/",
        "audit-user-add": "/admin/auth/user/add/",
        "audit-password": "/admin/password_change/",
        **{
            f"audit-{name}s": f"/admin/tasks/{name}/"
            for name in ("task", "result", "attempt", "transition", "callback", "device", "group", "profile")
        },
        "audit-applications": "/admin/tasks/application/",
        "audit-application": f"/admin/tasks/application/{application.pk}/change/",
        "audit-application-add": "/admin/tasks/application/add/",
        "audit-task": f"/admin/tasks/task/{complete.pk}/change/",
        "audit-callback": f"/admin/tasks/callback/{complete.callbacks.all()[0].pk}/change/",
    }
