"""``manage.py up``: web, worker, beat and sandbox under one supervisor, on a machine with nothing else."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from dashboard import supervisor
from dashboard.environment import ROOT, listening_url
from dashboard.supervisor import Program
from tasks import sandbox, sync
from tasks.models import Application

SANDBOX = "Sandbox"
READY_SECONDS = 60
ROOT_WARNING = "ignore:You're running the worker with superuser privileges"
"""Celery's, which is about pickled messages; ours are JSON with one id. In a container everybody is root."""


class Command(BaseCommand):
    help = "Set up what is missing and run everything; Ctrl-C stops it."

    def add_arguments(self, parser: CommandParser) -> None:
        env = settings.ENV
        parser.add_argument("--host", default=env["MUSTER_HOST"], help="address of the web process")
        parser.add_argument("--port", type=int, default=env["MUSTER_PORT"], help="port of the web process")
        parser.add_argument("--sandbox-port", type=int, default=env["MUSTER_SANDBOX_PORT"])
        parser.add_argument("--no-sandbox", action="store_true", help="run without the sandbox")
        parser.add_argument(
            "--workers", type=int, default=env["MUSTER_WORKERS"], help="jobs at the same time"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host, port, sandbox_port = options["host"], options["port"], options["sandbox_port"]
        with_sandbox = not options["no_sandbox"]
        _require_free(host, port, "--port")
        if with_sandbox:
            if sandbox_port == port:
                raise CommandError(
                    f"Port {port} cannot be both the site's and the sandbox's: choose another --sandbox-port."
                )
            _require_free("127.0.0.1", sandbox_port, "--sandbox-port")
        _migrate()
        user, password = _first_user()
        address = listening_url(host, port)
        if not settings.ENV["MUSTER_PUBLIC_URL"]:
            (settings.DATA_DIR / "public-url").write_text(address)
        application = _sandbox_application(sandbox_port) if with_sandbox else None
        connections.close_all()

        def ready() -> None:
            _wait_for(f"{address}/livez")
            if application and application.catalogue_at is None:
                _wait_for(f"{application.url}/")
                sync.read(application)
                connections.close_all()
            self._welcome(address, application, user, password)

        supervisor.run(
            _programs(host, port, options["workers"], sandbox_port if with_sandbox else None), ready
        )

    def _welcome(self, address: str, application: Application | None, user: str, password: str) -> None:
        lines = ["", f"Muster is ready:  {address}"]
        if application:
            lines.append(f"Sandbox platform: {application.url}")
        if password:
            lines += [
                "",
                f"First user:       {user}",
                f"Password:         {password}   (shown only this once)",
            ]
        self.stdout.write("\n".join([*lines, "", "Ctrl-C stops everything; the data stays.", ""]))
        self.stdout.flush()


def _programs(host: str, port: int, workers: int, sandbox_port: int | None) -> list[Program]:
    python, data = sys.executable, Path(settings.DATA_DIR)
    celery = (python, "-W", ROOT_WARNING, "-m", "celery", "--quiet", "-A", "dashboard")
    programs = [
        Program(
            "web",
            (python, "-m", "uvicorn", "dashboard.asgi:application", "--host", host, "--port", str(port),
             "--no-access-log", "--log-level", "warning", "--no-server-header", "--no-proxy-headers",
             "--timeout-graceful-shutdown", "5"),
        ),
        Program(
            "worker",
            (*celery, "worker", "--concurrency", str(workers), "--loglevel", "WARNING",
             "--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
        Program("beat", (*celery, "beat", "--loglevel", "WARNING", "--pidfile", "", "--schedule", str(data / "beat"))),
    ]  # fmt: skip
    if sandbox_port is not None:
        command = (python, str(ROOT / "manage.py"), "sandbox", "--port", str(sandbox_port))
        programs.insert(0, Program("sandbox", command))
    return programs


def _require_free(host: str, port: int, option: str) -> None:
    if not 0 < port < 65536:
        raise CommandError(f"{option} must be a port from 1 to 65535, not {port}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} on {host} cannot be used: {(error.strerror or str(error)).lower()}. "
                f"Choose another one with {option}, or stop what uses it."
            ) from error


def _migrate() -> None:
    for connection in connections.all():
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", database=connection.alias, verbosity=0, interactive=False)


def _first_user() -> tuple[str, str]:
    """The name and password of the first user, made now; an empty password when there is a user already."""
    users = get_user_model()
    if users.objects.exists():
        return "", ""
    password = "-".join(secrets.token_hex(2) for _ in range(4))
    user = users.objects.create_superuser("admin", password=password)
    user.groups.add(Group.objects.get(name="admin"))
    return user.get_username(), password


def _sandbox_application(port: int) -> Application | None:
    """The application for the sandbox: made at the first start, following the sandbox's port afterwards."""
    config = sandbox.config_from({"port": port})
    url = f"http://127.0.0.1:{port}"
    application = Application.objects.filter(app_id=config.app_id).first()
    if application is None and not Application.objects.exists():
        application = Application(name=SANDBOX, app_id=config.app_id)
    if application is not None and application.url != url:
        application.url, application.secret, application.access_token = url, config.secret, ""
        application.save()
    return application


def _wait_for(url: str) -> None:
    """Until the process behind ``url`` answers; the supervisor tells when it dies instead."""
    over = time.monotonic() + READY_SECONDS
    while time.monotonic() < over:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own address
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise CommandError(
        f"{url} did not answer within {READY_SECONDS} s; see the lines above. (pid {os.getpid()})"
    )
