"""The sandbox as an aiohttp application, and as a process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
import sys
from collections.abc import AsyncIterator

from aiohttp import web

from . import control, life, page
from .api import ELSEWHERE, ROUTES
from .config import Config
from .door import guarded
from .platform import PLATFORM, Platform


def make_app(config: Config) -> web.Application:
    """One platform with its fleet; it lives while the application runs."""
    app = web.Application(client_max_size=config.largest_create)
    app[PLATFORM] = Platform(config)
    app.add_routes(control.ROUTES)
    app.add_routes(page.ROUTES)
    for route in ROUTES:
        handler = guarded(route)
        app.router.add_route(route.method, route.path, handler)
        app.router.add_route(route.method, route.path + "/", handler)
    app.router.add_route(ELSEWHERE.method, ELSEWHERE.path, guarded(ELSEWHERE))
    app.cleanup_ctx.append(_alive)
    return app


def tls(config: Config) -> ssl.SSLContext | None:
    """HTTPS if there is a certificate, with a client certificate required if there is a CA for it."""
    if not config.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(config.tls_cert, config.tls_key or None)
    if config.client_ca:
        context.load_verify_locations(config.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def run(config: Config) -> None:
    """Serve until SIGINT or SIGTERM. Exits with code 1 and one sentence if the address cannot be had."""
    try:
        asyncio.run(_serve(config))
    except (OSError, ssl.SSLError) as failure:
        where = f"{config.host}:{config.port}"
        reason = failure.strerror or str(failure)
        print(f"The sandbox cannot start on {where}: {reason.lower()}", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None


async def started(config: Config) -> tuple[web.AppRunner, str]:
    """A running sandbox and its address; the caller cleans the runner up."""
    runner = web.AppRunner(make_app(config), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        context = tls(config)
        await web.TCPSite(runner, config.host, config.port, ssl_context=context, backlog=1024).start()
    except BaseException:
        await runner.cleanup()
        raise
    port = runner.addresses[0][1]
    host = f"[{config.host}]" if ":" in config.host else config.host
    return runner, f"{'https' if context else 'http'}://{host}:{port}"


async def _serve(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, stop.set)
    runner, address = await started(config)
    print(  # noqa: T201
        f"Sandbox platform on {address} (application {config.name}, {config.devices:,} devices)", flush=True
    )
    try:
        await stop.wait()
    finally:
        await runner.cleanup()


async def _alive(app: web.Application) -> AsyncIterator[None]:
    platform = app[PLATFORM]
    running = [asyncio.create_task(life.live(platform)), asyncio.create_task(platform.pushes.run())]
    yield
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
