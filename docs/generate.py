"""Write the parts of README.md that come from tables: the life of a task, and the configuration.

    .venv/bin/python docs/generate.py

``tests/test_readme.py`` fails when README.md and the tables differ.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dashboard.environment import VARIABLES  # noqa: E402
from tasks.states import diagram  # noqa: E402


def readme(text: str) -> str:
    """``text`` with both parts as the tables have them now."""
    states = f"```mermaid\n{diagram()}\n```"
    rows = "\n".join(
        f"| `{each.name}` | {f'`{each.default}`' if each.default else '–'} | {each.meaning} |"
        for each in VARIABLES
    )
    table = f"| variable | default | meaning |\n|---|---|---|\n{rows}\n"
    text = re.sub(r"```mermaid\n.*?\n```", lambda _: states, text, flags=re.DOTALL)
    return re.sub(
        r"\| variable \| default \| meaning \|\n.*?\n(?=\n)", lambda _: table, text, flags=re.DOTALL
    )


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text()))
