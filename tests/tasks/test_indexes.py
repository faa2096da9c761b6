"""Every index costs each write: none is there twice."""

from itertools import permutations

import pytest
from django.apps import apps
from django.db import models

COVERING = {"tally_curve"}
"""Begin with a unique constraint, and are read without a look into the table; SQLite has no INCLUDE for it."""

MODELS = [model for model in apps.get_app_config("tasks").get_models() if model.__name__ != "Callback"]


def indexes(model: type[models.Model]) -> dict[str, tuple[str, ...]]:
    """Name -> columns of every whole index, those of keys and constraints too."""
    meta = model._meta
    found = {field.name: (field.name,) for field in meta.concrete_fields if field.db_index or field.unique}
    found |= {
        index.name: tuple(name for name, _ in index.fields_orders)
        for index in meta.indexes
        if not index.condition
    }
    return found | {
        constraint.name: tuple(constraint.fields)
        for constraint in meta.constraints
        if isinstance(constraint, models.UniqueConstraint) and not constraint.condition
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_index_is_the_beginning_of_another(model: type[models.Model]) -> None:
    needless = [
        (one, other)
        for (one, columns), (other, longer) in permutations(indexes(model).items(), 2)
        if longer[: len(columns)] == columns and one != "id" and other not in COVERING
    ]
    assert needless == []
