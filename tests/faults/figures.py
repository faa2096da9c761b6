"""``make saturation MINUTES=10``, ``make recovery``, ``make reading``: figures of real processes beside their goals."""

from __future__ import annotations

import argparse
import sys

from tests.bench.report import machine
from tests.faults.long import prepare


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("which", choices=("saturation", "recovery", "reading"))
    options.add_argument("--minutes", type=float, default=10, help="of saturation")
    options.add_argument("--devices", type=int, default=100_000, help="of the fleet to be read")
    options.add_argument(
        "--database", choices=("sqlite", "postgresql"), default="sqlite", help="it is read into"
    )
    asked = options.parse_args()
    prepare()
    from tests.faults import reading, recovery, saturation

    sys.stdout.write(f"{machine()}; embedded broker and database where no other is named\n")
    runs = {
        "saturation": lambda: saturation.run(asked.minutes),
        "recovery": recovery.run,
        "reading": lambda: reading.run(asked.devices, asked.database),
    }
    return 0 if runs[asked.which]() else 1


if __name__ == "__main__":
    sys.exit(main())
