"""What a person finds on a page: fields with their values, errors at their fields, words."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from typing import Any


class Fields(HTMLParser):
    """The form fields of a page as they would be posted, and those of them that can be seen."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.posted: dict[str, list[str]] = {}
        self.visible: set[str] = set()
        self._text: str | None = None
        self._select: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag in ("input", "select", "textarea") and name:
            if given.get("type") != "hidden" and "hidden" not in given:
                self.visible.add(name)
            if tag == "textarea":
                self._text = name
                self.posted.setdefault(name, []).append("")
            elif tag == "select":
                self._select = name
            elif "disabled" in given or given.get("type") == "file":
                pass
            elif given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.posted.setdefault(name, []).append(
                    given.get("value") or ("on" if given.get("type") == "checkbox" else "")
                )
        elif tag == "option" and self._select and "selected" in given:
            self.posted.setdefault(self._select, []).append(given.get("value") or "")

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self.posted[self._text][-1] += (
                data.removeprefix("\n") if not self.posted[self._text][-1] else data
            )

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._text = None
        elif tag == "select":
            self._select = None

    def value(self, name: str) -> str:
        return "\n".join(self.posted.get(name, [""]))


def text_of(answer: Any) -> str:
    return answer.content.decode()


def fields(answer: Any) -> Fields:
    return Fields(text_of(answer))


def error_at(answer: Any, field: str) -> str:
    """The error next to the field; empty when there is none."""
    found = re.search(rf'<div class="error" id="id_{re.escape(field)}_error">([^<]*)</div>', text_of(answer))
    return html.unescape(found[1]).strip() if found else ""


def errors(answer: Any) -> dict[str, str]:
    """Field -> the error next to it."""
    found = re.findall(r'<div class="error" id="id_([^"]*)_error">([^<]*)</div>', text_of(answer))
    return {html.unescape(name): html.unescape(text).strip() for name, text in found}


def words(answer: Any) -> str:
    """The page's text, without markup and with blanks joined."""
    plain = re.sub(r"<(script|style)\b.*?</\1>", " ", text_of(answer), flags=re.DOTALL)
    plain = re.sub(r"</?bdi\b[^>]*>", "", plain)  # it isolates a name's direction, and draws nothing
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", plain)).split())
