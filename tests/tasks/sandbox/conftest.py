"""A sandbox of a hundred devices, and a receiver of its pushes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox import Receiver, Sandbox, running_receiver, running_sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(mix=(1, 0, 0, 0, 0)) as sandbox:
        yield sandbox


@pytest.fixture
def strict() -> Iterator[Sandbox]:
    with running_sandbox(mix=(1, 0, 0, 0, 0), strict=True) as sandbox:
        yield sandbox


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver
