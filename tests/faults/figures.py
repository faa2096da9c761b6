"""``make saturation MINUTES=10`` and ``make recovery``: figures of real processes, each beside its goal."""

from __future__ import annotations

import argparse
import sys

from tests.bench.report import machine
from tests.faults.long import prepare


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("which", choices=("saturation", "recovery"))
    options.add_argument("--minutes", type=float, default=10, help="of saturation")
    asked = options.parse_args()
    prepare()
    from tests.faults import recovery, saturation

    sys.stdout.write(f"{machine()}; embedded broker and database where no other is named\n")
    good = saturation.run(asked.minutes) if asked.which == "saturation" else recovery.run()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
