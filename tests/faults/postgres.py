"""``make test-postgres``: what the suite says of the database, said of a PostgreSQL that is started for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.faults import servers

ABOUT_THE_DATABASE = "django_db and not (faults or browser or processes)"


def main() -> int:
    try:
        with servers.postgresql() as server:
            command = [sys.executable, "-m", "pytest", "-n", "2", "-m", ABOUT_THE_DATABASE, *sys.argv[1:]]
            return subprocess.run(
                command, env=os.environ | {"DATABASE_URL": server.url}, check=False
            ).returncode
    except pytest.skip.Exception as missing:
        sys.stdout.write(f"Skipped: {missing}. On Debian and Ubuntu: apt-get install postgresql\n")
        return 0
    except pytest.fail.Exception as missing:
        sys.stdout.write(f"Failed: {missing}.\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
