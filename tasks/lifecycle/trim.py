"""Drop old pushes of a task that gets far more than its devices can have to say.

No token is limited in its rate: a task of a million devices pushes through one. What it may leave behind is limited:
200 callbacks for each device, the oldest going first, and among them those that were not a device's last word. Only
what is settled goes, so no result changes.
"""

from __future__ import annotations

from django.conf import settings
from django.db.models import F

from tasks.models import Callback, Task
from tasks.platform import pushes

MOST_FOR_A_DEVICE = 200
AT_ONCE = 1000


def trim(task_id: int) -> bool:
    """Drop up to a thousand; True while there are more."""
    task = Task.objects.only("expected").filter(pk=task_id).first()
    newest = Callback.objects.order_by("-pk").values_list("pk", flat=True).first()
    if task is None or newest is None:
        return False
    most = MOST_FOR_A_DEVICE * (task.expected or settings.MOST_DEVICES)
    if newest <= most:
        return False  # there cannot be more: spares big tasks the counting
    excess = task.callbacks.count() - most
    if excess <= 0:
        return False
    settled = task.callbacks.exclude(state=Callback.State.NEW).order_by("pk")
    oldest = settled.values_list("pk", "body")[: 2 * AT_ONCE]
    dropped = [pk for _, pk in sorted((_is_final(bytes(body)), pk) for pk, body in oldest)]
    dropped = dropped[: min(excess, AT_ONCE)]
    Callback.objects.filter(pk__in=dropped).delete()
    Task.objects.filter(pk=task_id).update(pushes_dropped=F("pushes_dropped") + len(dropped))
    return len(dropped) == AT_ONCE < excess


def _is_final(body: bytes) -> bool:
    try:
        return pushes.parse(body).status in pushes.FINAL_STATUSES
    except pushes.Malformed:
        return False
