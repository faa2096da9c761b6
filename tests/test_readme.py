"""The README says what the tables say."""

from pathlib import Path

import pytest

from dashboard.environment import VARIABLES
from docs.generate import readme
from tasks.states import TRANSITIONS

ROOT = Path(__file__).resolve().parent.parent


def test_the_generated_parts_of_the_readme_are_up_to_date():
    text = (ROOT / "README.md").read_text()
    assert readme(text) == text


@pytest.mark.parametrize("name", [variable.name for variable in VARIABLES])
def test_every_variable_stands_in_the_configuration_table(name):
    assert f"| `{name}` |" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("state", "target"), [(s, t) for s, following in TRANSITIONS.items() for t in following]
)
def test_every_move_stands_in_the_diagram(state, target):
    assert f"    {state} --> {target}\n" in (ROOT / "README.md").read_text()


def test_every_direct_dependency_has_its_reason():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "README.md").read_text()
    for requirement in project["dependencies"]:
        name = requirement.split(";")[0].split("~")[0].strip()
        assert f"**{name}**".lower() in text.lower(), name
