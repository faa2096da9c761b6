"""The page as HTML. Everything that came from outside goes through `_t`."""

from __future__ import annotations

import dataclasses
import html
import json
import time
from itertools import islice
from typing import Any

from .api.devices import record
from .dispatch import CANCELED, EXPIRED, FAILED, SUCCESSFUL, TIMEOUT
from .faults import Rule
from .platform import Platform, Task
from .switches import Switch, groups, is_on

MOST_TASKS, MOST_PUSHES, MOST_DEVICES = 12, 14, 8


def page(platform: Platform, device_id: str = "") -> str:
    config = platform.config
    mode = "strict" if config.strict else "lenient"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sandbox platform</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/_sandbox/style.css">
<script src="/_sandbox/refresh.js" defer></script>
</head>
<body>
<header>
<h1>Sandbox platform</h1>
<p>Stands in for the IoT platform. Application <code>{_t(config.app_id)}</code>,
secret <code>{_t(config.secret)}</code>, {len(platform.fleet):,} devices, {mode} rules.
<a href="/_sandbox/profiles">Device profiles (zip)</a></p>
</header>
<main>
<div id="live">
{_figures(platform)}
{_tasks(platform)}
{_pushes(platform)}
</div>
<aside>
{_switches(platform)}
</aside>
{_devices(platform, device_id)}
</main>
</body>
</html>
"""


def _figures(platform: Platform) -> str:
    counts, config = platform.pushes.counts, platform.config
    edge = time.monotonic() - 60
    recent = sum(1 for call in platform.account.calls if call > edge)
    figures = (
        ("Calls in the last minute", f"{recent:,}", f"of {config.calls_per_minute:,}"),
        ("Unfinished tasks", f"{platform.unfinished():,}", f"of {config.unfinished_limit:,}"),
        ("Logins", f"{platform.ledger.calls['login']:,}", "one token valid"),
        (
            "Pushes accepted",
            f"{counts['accepted']:,}",
            f"{counts['failed']:,} failed, {platform.pushes.waiting:,} waiting",
        ),
    )
    cells = "".join(
        f"<div><dt>{_t(name)}</dt><dd><b>{_t(value)}</b> <span>{_t(note)}</span></dd></div>"
        for name, value, note in figures
    )
    return f'<dl class="figures">{cells}</dl>'


def _tasks(platform: Platform) -> str:
    newest = list(islice(reversed(platform.tasks.values()), MOST_TASKS))
    if not newest:
        return _card("Tasks", _none("No task has arrived yet. Create one in Muster."))
    more = len(platform.tasks) - len(newest)
    tail = _none(f"and {more:,} older") if more else ""
    return _card("Tasks", f'<ul class="tasks">{"".join(_task(task) for task in newest)}</ul>{tail}')


def _task(task: Task) -> str:
    counts, total, order = task.dispatch.counts, len(task.dispatch), task.order
    parts = (
        ("good", "ok", counts[SUCCESSFUL]),
        ("bad", "failed", counts[FAILED] + counts[CANCELED]),
        ("late", "late", counts[TIMEOUT] + counts[EXPIRED]),
    )
    words = ", ".join(f"{count:,} {word}" for _, word, count in parts)
    at, bars = 0.0, ""
    for colour, _, count in parts:
        width = 100 * count / total
        bars += f'<rect class="{colour}" x="{at:.2f}" width="{width:.2f}" height="4"/>'
        at += width
    command = f"{order.type} · {order.command['serviceId']} {order.command['method']}"
    return f"""<li>
<div class="line"><b>{_t(order.name)}</b>{_status(task.status)}</div>
<svg viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label="{words}">{bars}</svg>
<div class="line small"><span>{_t(command)}</span>
<span>{task.dispatch.done:,} of {total:,}: {words}</span></div>
</li>"""


def _pushes(platform: Platform) -> str:
    rows = [_push(push) for push in islice(reversed(platform.pushes.last), MOST_PUSHES)]
    if not rows:
        return _card("Last pushes", _none("Nothing pushed yet."))
    return _card("Last pushes", _table(("Time", "Device", "Status", "Answer"), rows))


def _push(push: dict[str, Any]) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(push["at"]))
    detail = "" if push["detail"] is None else json.dumps(push["detail"], ensure_ascii=False)
    device = _t(push["deviceId"])
    fine = "good" if push["outcome"] == "200" else "bad"
    again = f" (try {push['tries']})" if push["tries"] > 1 else ""
    return (
        f'<td>{clock}</td><td><a href="/?device={device}"><code>{device[:8]}</code></a></td>'
        f'<td>{_t(push["status"])} <span class="detail">{_t(detail[:60])}</span></td>'
        f'<td class="{fine}">{_t(push["outcome"])}{again}</td>'
    )


def _switches(platform: Platform) -> str:
    rules = [rule for rule in platform.faults.rules if not rule.spent]
    active = _none("No faults are set.")
    if rules:
        listed = "".join(f"<li><code>{_t(_sentence(rule))}</code></li>" for rule in rules)
        clear = '<button name="switch" value="clear" class="clear">Clear all faults</button>'
        active = f'<ul class="rules">{listed}</ul>{clear}'
    fields = ""
    for name, members in groups().items():
        buttons = "".join(_button(platform, number, switch) for number, switch in members)
        fields += f"<fieldset><legend>{_t(name)}</legend>{buttons}</fieldset>"
    return (
        '<form method="post" action="/_sandbox/switch"><h2>Switches</h2>'
        f'<div id="faults">{active}</div>{fields}</form>'
    )


def _button(platform: Platform, number: int, switch: Switch) -> str:
    pressed = ' class="on" aria-pressed="true"' if is_on(platform, switch) else ""
    title = f' title="{_t(switch.title)}"' if switch.title else ""
    return f'<button name="switch" value="{number}"{title}{pressed}>{_t(switch.label)}</button>'


def _sentence(rule: Rule) -> str:
    default = Rule(rule.action)
    own = {
        name: value
        for name, value in dataclasses.asdict(rule).items()
        if name not in {"action", "route", "seen", "used"} and value != getattr(default, name)
    }
    rest = ", ".join(f"{name} {value}" for name, value in own.items())
    return f"{rule.route}: {rule.action}{f' ({rest})' if rest else ''}, struck {rule.used}×"


def _devices(platform: Platform, device_id: str) -> str:
    fleet = platform.fleet
    found = fleet.find(device_id) if device_id else None
    shown = list(islice(fleet, MOST_DEVICES)) if not device_id else [found] if found is not None else []
    rows = [_device(platform, index) for index in shown]
    table = _table(("Device", "Type", "Location", "Status"), rows)
    search = (
        f'<form class="search"><input name="device" value="{_t(device_id)}" aria-label="Device id"'
        ' placeholder="Find a device by its id"><button>Find</button></form>'
    )
    return _card("Devices", search + (table if rows else _none("The fleet has no such device.")))


def _device(platform: Platform, index: int) -> str:
    shown = record(platform, index)
    info = shown["deviceInfo"]
    kind = " ".join(str(info[name]) for name in ("deviceType", "manufacturerId", "model") if info[name])
    return (
        f"<td><code>{_t(shown['deviceId'])}</code></td><td>{_t(kind)}</td>"
        f"<td>{_t(info['location'] or '')}</td><td>{_status(info['status'])}</td>"
    )


def _card(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _table(heads: tuple[str, ...], rows: list[str]) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f'<div class="scroll"><table><tr>{head}</tr><tr>{"</tr><tr>".join(rows)}</tr></table></div>'


def _none(words: str) -> str:
    return f'<p class="none">{words}</p>'


def _status(word: str) -> str:
    return f'<span class="status {word.lower()}">{word}</span>'


def _t(value: Any) -> str:
    return html.escape(str(value).encode("utf-8", "replace").decode())
