"""House rules that no linter knows."""

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    path
    for folder in ("dashboard", "tasks")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
FRAGMENTS = [
    path
    for path in TEMPLATES
    if path.name.startswith("_") and path.name not in ("_paging.html", "_parameters.html", "_result.html")
]
VOID = {"input", "img", "br", "hr", "meta", "link", "rect", "source", "col", "area", "path"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_fits_into_a_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350


@pytest.mark.parametrize("path", [*MODULES, *TEMPLATES], ids=name)
def test_nothing_is_declared_safe_unescaped(path: Path) -> None:
    """C32."""
    assert not re.search(r"mark_safe|\|\s*safe\b|autoescape off|\bSafeString\(|html_safe", path.read_text())


class Roots(HTMLParser):
    """The elements of a template that stand in no other."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.depth = 0
        self.roots: list[tuple[str, dict[str, str | None]]] = []
        self.feed(re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", text, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.depth:
            self.roots.append((tag, dict(attrs)))
        self.depth += tag not in VOID

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.depth:
            self.roots.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag not in VOID

    def handle_data(self, data: str) -> None:
        assert self.depth or not data.strip(), f"text outside the root: {data!r}"


@pytest.mark.parametrize("path", FRAGMENTS, ids=name)
def test_a_fragment_has_one_root_which_carries_its_name(path: Path) -> None:
    roots = Roots(path.read_text()).roots
    assert [attrs.get("id") for _, attrs in roots] == [path.stem.removeprefix("_")]


def test_a_bell_never_carries_a_time_of_its_own() -> None:
    """Q14: when something is due stands in its row; a message that waits in the broker is lost with it."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in (
                "apply_async",
                "send_task",
                "retry",
                "s",
            ):
                assert not {word.arg for word in node.keywords} & {"countdown", "eta"}, name(path)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "no docstring"


def test_no_template_carries_a_script_or_a_style_of_its_own() -> None:
    """The content policy would refuse it."""
    for path in TEMPLATES:
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|hx-on|javascript:", text), (
            name(path)
        )


CASES = [
    f"{kind}{number:02}" for kind, last in (("S", 41), ("Q", 20), ("C", 38)) for number in range(1, last + 1)
]
"""Faults of submission, of broker and workers, and of callbacks that the specification lists."""


def carried() -> set[str]:
    """The cases that stand in a test's name, in its docstring, or at the head of a row that it is given."""
    said: list[str] = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                said += [node.name.upper().replace("_", " "), ast.get_docstring(node) or ""]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.append(node.value[:3])
    return set(re.findall(r"\b[SQC][0-9]{2}\b", "\n".join(said)))


def test_every_case_of_the_specification_is_carried_by_a_test() -> None:
    assert sorted(set(CASES) - carried()) == []
