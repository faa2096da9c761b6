import re
import uuid

from hypothesis import given
from hypothesis import strategies as some

from tasks.sandbox.ids import dashed, sealed, undashed, unsealed


@given(number=some.integers(0, 2**48 - 1), seed=some.integers(0, 2**64))
def test_an_id_gives_its_number_back(number, seed):
    assert unsealed(sealed(number, "device", seed), "device", seed) == number


def test_an_id_is_a_version_4_uuid_and_like_no_other():
    ids = {dashed(sealed(number, "device", 1)) for number in range(1000)}
    assert len(ids) == 1000
    assert all(uuid.UUID(one).version == 4 for one in ids)


def test_an_id_of_another_kind_seed_or_making_is_unknown():
    text = sealed(5, "device", 1)
    assert unsealed(text, "command", 1) is None
    assert unsealed(text, "device", 2) is None
    assert unsealed(text.upper(), "device", 1) is None
    assert unsealed(uuid.uuid4().hex, "device", 1) is None
    assert unsealed("", "device", 1) is None


@given(text=some.text(max_size=40))
def test_no_text_breaks_the_reading_of_an_id(text):
    assert unsealed(undashed(text), "device", 1) is None


def test_only_a_uuid_with_its_dashes_in_place_is_undashed():
    text = dashed(sealed(5, "device", 1))
    assert re.fullmatch("[0-9a-f]{32}", undashed(text))
    assert undashed(text.replace("-", "")) == ""
