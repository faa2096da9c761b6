"""The fault script: rules that spoil calls and pushes on purpose.

A rule is JSON: {"route": "create", "action": "error", "code": "50252"}. `route` is a route's name (see
`api.ROUTES`), "any", or "push". It strikes every matching call, or the `nth` one, or the first `times`, or a
share (`probability`). With `after` the call is first carried out in full, and only its answer is spoilt.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass, field
from typing import Any

CALL_ACTIONS = (
    "latency",
    "stall",
    "error",
    "text",
    "empty",
    "html",
    "redirect",
    "cut",
    "half",
    "drip",
    "flood",
)  # each a function in spoil.py
PUSH_ACTIONS = ("lose", "duplicate", "delay", "reorder")
MOST_RULES = 1000


@dataclass
class Rule:
    action: str
    route: str = "any"
    nth: int = 0  # 1 = the first matching call after the rule was set
    times: int = 0  # 0 = without end
    probability: float = 1.0
    after: bool = False
    seconds: float = 0.0  # latency, stall, delay, reorder; for drip: per byte
    status: int = 0
    code: str = ""
    desc: str = ""
    body: str = ""
    location: str = ""
    bytes: int = 0
    gzip: bool = False
    seen: int = 0
    used: int = 0

    @property
    def spent(self) -> bool:
        """It will strike no more."""
        return bool(self.times) and self.used >= self.times

    def strikes(self, dice: random.Random) -> bool:
        """Count one matching call and say whether the rule spoils it."""
        self.seen += 1
        if self.nth and not self.nth <= self.seen < self.nth + max(1, self.times):
            return False
        if not self.nth and self.spent:
            return False
        if dice.random() >= self.probability:
            return False
        self.used += 1
        return True


@dataclass
class Faults:
    seed: int = 1
    rules: list[Rule] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def add(self, given: Any) -> None:
        """Add one rule, a list of them, or {"rules": [...]}. Raises ValueError."""
        if isinstance(given, dict) and "rules" in given:
            given = given["rules"]
        rules = [_rule(one) for one in (given if isinstance(given, list) else [given])]
        if len(self.rules) + len(rules) > MOST_RULES:
            raise ValueError(f"more than {MOST_RULES} rules")
        self.rules.extend(rules)

    def clear(self) -> None:
        self.rules.clear()

    def shown(self) -> list[dict[str, Any]]:
        default = Rule("")
        return [
            {
                k: v
                for k, v in dataclasses.asdict(rule).items()
                if v != getattr(default, k) or k in {"seen", "used"}
            }
            for rule in self.rules
        ]

    def drawn(self, route: str) -> list[Rule]:
        """The rules that strike this call."""
        fitting = [
            rule for rule in self.rules if rule.route in (route, "any") and rule.action in CALL_ACTIONS
        ]
        return [rule for rule in fitting if rule.strikes(self.dice)]

    def for_push(self) -> list[tuple[str, float]]:
        """What befalls one push: (action, seconds)."""
        struck = []
        for rule in self.rules:
            if rule.action in PUSH_ACTIONS and rule.strikes(self.dice):
                seconds = rule.seconds or 2.0
                struck.append(
                    (rule.action, seconds * self.dice.random() if rule.action == "reorder" else seconds)
                )
        return struck


def _rule(given: Any) -> Rule:
    if not isinstance(given, dict):
        raise ValueError("a rule is a JSON object")  # noqa: TRY004
    members = {
        member.name: member for member in dataclasses.fields(Rule) if member.name not in {"seen", "used"}
    }
    for name, value in given.items():
        if name not in members:
            raise ValueError(f"a rule has no member {name!r}")
        kind = type(getattr(Rule(""), name))
        if not isinstance(value, (int, float) if kind is float else kind) or (
            isinstance(value, bool) and kind is not bool
        ):
            raise ValueError(f"{name} is {kind.__name__}")
        if isinstance(value, (int, float)) and not 0 <= value < 1e13:
            raise ValueError(f"{name} is no sensible number")
    if given.get("action") not in (*CALL_ACTIONS, *PUSH_ACTIONS):
        raise ValueError(f"action is one of {', '.join((*CALL_ACTIONS, *PUSH_ACTIONS))}")
    if given.get("status") and not 200 <= given["status"] <= 599:
        raise ValueError("status is 200 to 599")
    if any(letter in given.get("location", "") for letter in "\r\n"):
        raise ValueError("location is one line")
    return Rule(**given)
