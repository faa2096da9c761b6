"""Do the main job in Chromium against a fresh `manage.py up`; then photograph every page, full of what is hard to show.

    .venv/bin/python docs/screenshots.py FOLDER

Writes FOLDER/<page>-<width>-<scheme>.png for 1440 and 390 pixels, light and dark, and docs/task.png for the README.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FILL = (
    "import django, json; django.setup(); from django.contrib.auth.models import User;"
    "from tests.browser.everything import fill; print(json.dumps(fill(User.objects.get())))"
)
VIEWS = [(width, scheme) for width in (1440, 390) for scheme in ("light", "dark")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running() -> Iterator[tuple[str, str, str]]:
    """A fresh installation of 2,500 devices: its address, the first user's password, and its data directory."""
    port, sandbox_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(port), "--sandbox-port", str(sandbox_port)],
            cwd=ROOT,
            env=os.environ | {"MUSTER_DATA_DIR": folder, "MUSTER_SANDBOX_DEVICES": "2500"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            password = ""
            for line in process.stdout or ():
                if found := re.match(r"Password: +(\S+)", line):
                    password = found[1]
                if line.startswith("Ctrl-C"):
                    break
            yield f"http://127.0.0.1:{port}", password, folder
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


def filled(data: str) -> dict[str, str]:
    """Put the browser tests' rows into the installation: the name of every page, and its address."""
    env = os.environ | {"MUSTER_DATA_DIR": data, "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    done = subprocess.run(
        [sys.executable, "-c", FILL], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compose(page: Page, site: str) -> None:
    """The main job: a profile's command for a thousand devices of a type."""
    page.goto(f"{site}/compose/")
    page.fill("#id_name", "Close all valves before the storm")
    page.select_option("#id_target_type", "DeviceType")
    page.locator("#id_manufacturer_id").wait_for()
    page.select_option("#id_profile", label="WaterMeter · Muster · MW100")
    page.locator("#what-part select[name=service_id]").wait_for()
    page.select_option("#id_service_id", "Valve")
    page.locator('[name="para:value"]').wait_for()
    page.select_option('[name="para:value"]', "CLOSE")


def photograph(browser: Browser, folder: Path, site: str, password: str, pages: dict[str, str]) -> None:
    for width, scheme in VIEWS:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        context.set_default_timeout(120_000)
        page = context.new_page()
        page.goto(f"{site}/login/?next=/tasks/")
        page.screenshot(path=folder / f"login-{width}-{scheme}.png")
        page.fill("#id_username", "admin")
        page.fill("#id_password", password)
        page.press("#id_password", "Enter")
        page.wait_for_url("**/tasks/")
        for name, path in pages.items():
            page.goto(site + path)
            page.wait_for_timeout(200)
            page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
        context.close()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with running() as (site, password, data), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 960}, color_scheme="light")
        page.goto(f"{site}/login/?next=/tasks/")
        page.fill("#id_username", "admin")
        page.fill("#id_password", password)
        page.press("#id_password", "Enter")
        page.wait_for_url("**/tasks/")
        compose(page, site)
        page.wait_for_timeout(700)
        page.screenshot(path=folder / "composing.png", full_page=True)
        page.click("button.primary[name=review]")
        page.fill("#typed", "1000")
        page.screenshot(path=folder / "confirming.png", full_page=True)
        clicked = time.monotonic()
        page.click("button.primary")
        page.locator("#progress .code").wait_for()
        print(f"click to taskID on the page: {time.monotonic() - clicked:.2f} s")
        page.wait_for_timeout(14_000)
        page.screenshot(path=ROOT / "docs" / "task.png")
        page.locator('#progress .badge:has-text("Complete")').wait_for(timeout=90_000)
        print(f"click to Complete: {time.monotonic() - clicked:.1f} s; {page.inner_text('.tally')}")
        task = page.url.removeprefix(site)
        photograph(
            browser,
            folder,
            site,
            password,
            {"finished": task, "finished-report": f"{task}report/"} | filled(data),
        )
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
