"""``make bench`` or ``make bench ARGS="receive history"``: each module here named in BENCHES has a ``run()``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from tests.bench.report import machine

BENCHES: tuple[str, ...] = (
    "receive",
    "settle",
    "live",
    "history",
    "indexes",
    "catalogue",
    "reach",
    "sets",
    "compose",
    "ids",
    "keep",
    "poll",
)
"""In this order; each is a module of this package."""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", choices=[*BENCHES, []], help="all of them when none is named")
    asked = options.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    sys.stdout.write(f"{machine()}\n")
    for name in asked.names or BENCHES:
        sys.stdout.write(f"\n{name}\n")
        importlib.import_module(f"tests.bench.{name}").run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
