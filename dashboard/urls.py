"""Every address of the site. All but those marked login_not_required ask who you are."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LogoutView, PasswordChangeView
from django.urls import path, reverse_lazy
from django.views.generic import RedirectView

from dashboard.views import (
    callbacks,
    catalogue,
    compose,
    confirm,
    device,
    exports,
    family,
    family_rerun,
    history,
    login,
    ops,
    progress,
    queue,
    report,
    rerun,
    results,
    task,
)

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="history"), name="home"),
    path("compose/", compose.compose, name="compose"),
    path("compose/preview/", confirm.preview, name="preview"),
    path("compose/devices/<uuid:list_id>/bad.csv", compose.bad_lines, name="bad-lines"),
    path("compose/<uuid:draft_id>/", confirm.confirm, name="confirm"),
    path("tasks/", history.history, name="history"),
    path("tasks.csv", exports.history, {"form": "csv"}, name="history-csv"),
    path("tasks.jsonl", exports.history, {"form": "jsonl"}, name="history-jsonl"),
    path("tasks/<int:task_id>/", task.task, name="task"),
    path("tasks/<int:task_id>/progress/", progress.progress, name="progress"),
    path("tasks/<int:task_id>/answers/", progress.answers, name="answers"),
    path("tasks/<int:task_id>/timeline/", task.timeline, name="timeline"),
    path("tasks/<int:task_id>/results/", results.results, name="results"),
    path("tasks/<int:task_id>/results/columns/", results.columns, name="results-columns"),
    path("tasks/<int:task_id>/results/<int:result_id>/", results.answer, name="answer"),
    path("tasks/<int:task_id>/results.csv", exports.results, {"form": "csv"}, name="results-csv"),
    path("tasks/<int:task_id>/results.jsonl", exports.results, {"form": "jsonl"}, name="results-jsonl"),
    path("tasks/<int:task_id>/report/", report.report, name="report"),
    path("tasks/<int:task_id>/request.json", task.request_body, name="request"),
    path("tasks/<int:task_id>/cancel/", task.cancel, name="cancel"),
    path("tasks/<int:task_id>/settle/", queue.settle, name="settle"),
    path("tasks/<int:task_id>/rerun/", rerun.choose, name="rerun"),
    path("families/<int:family_id>/", family.family, name="family"),
    path("families/<int:family_id>/cancel/", family.cancel, name="family-cancel"),
    path("families/<int:family_id>/rerun/", family_rerun.choose, name="family-rerun"),
    path("families/<int:family_id>/rerun/review/", family_rerun.review, name="family-rerun-review"),
    path("families/<int:family_id>/results.csv", exports.family, {"form": "csv"}, name="family-csv"),
    path("families/<int:family_id>/results.jsonl", exports.family, {"form": "jsonl"}, name="family-jsonl"),
    path("devices/", device.device, name="device"),
    path("queue/", queue.queue, name="queue"),
    path("attention/", queue.attention, name="attention"),
    path("catalogue/", catalogue.catalogue, name="catalogue"),
    path("catalogue/profiles/", catalogue.upload, name="profile-upload"),
    path("catalogue/profiles/<int:profile_id>/", catalogue.profile, name="profile"),
    path("catalogue/<int:application_id>/refresh/", catalogue.refresh, name="catalogue-refresh"),
    path("callbacks/<str:token>/", callbacks.callback, name="callback"),
    path("callbacks/<str:token>", callbacks.callback, name="callback-unslashed"),  # never redirect a push
    path("login/", login.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path(
        "password/",
        PasswordChangeView.as_view(template_name="password.html", success_url=reverse_lazy("history")),
        name="password",
    ),
    path("livez", ops.livez, name="livez"),
    path("readyz", ops.readyz, name="readyz"),
    path("admin/", admin.site.urls),
]
