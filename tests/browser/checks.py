"""What every page must be, judged in the browser by ``checks.js``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("checks.js").read_text()


def faults(page: Any) -> list[str]:
    """All that is wrong with the page that is open, at 1440 and 390 pixels, in light and dark; in sentences."""

    def judged(check: str) -> list[str]:
        return list(page.evaluate(f"() => {{ {SCRIPT}; return {check}(); }}"))

    found = judged("structure")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"{width} px: {each}" for each in judged("layout")]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {each}" for each in judged("contrast")]
    return found + judged("focus")
