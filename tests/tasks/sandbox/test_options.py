import argparse
import dataclasses

import pytest

from tasks.sandbox import Config, add_arguments, config_from
from tasks.sandbox.options import HELP, option_types


def parsed(*arguments: str) -> Config:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return config_from(vars(parser.parse_args(arguments)))


def test_without_options_the_defaults_hold():
    assert parsed() == Config()


def test_options_are_read_from_the_command_line():
    config = parsed("--port", "9000", "--strict", "--no-nulls", "--pace-speed", "5", "--push-retry", "2")
    assert (config.port, config.strict, config.nulls) == (9000, True, False)
    assert (config.pace.speed, config.delivery.retry) == (5.0, 2.0)


def test_every_option_is_also_read_from_the_environment_but_the_command_line_wins(monkeypatch):
    monkeypatch.setenv("MUSTER_SANDBOX_DEVICES", "5")
    monkeypatch.setenv("MUSTER_SANDBOX_STRICT", "yes")
    monkeypatch.setenv("MUSTER_SANDBOX_PACE_WAKE", "1.5")
    monkeypatch.setenv("MUSTER_SANDBOX_SECRET", "")
    config = parsed("--devices", "7")
    assert (config.devices, config.strict, config.pace.wake) == (7, True, 1.5)
    assert config.secret == Config().secret


@pytest.mark.parametrize("text", ["0.5,0.5,0,0,0", "successful=0.5,failed=0.5,timeout=0"])
def test_the_mix_is_given_in_order_or_by_name(text):
    assert parsed("--mix", text).mix == (0.5, 0.5, 0, 0, 0)


def test_options_django_adds_are_passed_over():
    assert config_from({"verbosity": 1, "settings": None, "port": 1}) == dataclasses.replace(Config(), port=1)


@pytest.mark.parametrize(
    "options", [{"devices": 1_000_001}, {"port": "x"}, {"strict": "maybe"}, {"mix": "a,b"}, {"tags": "odd"}]
)
def test_a_wrong_value_is_a_value_error(options):
    with pytest.raises(ValueError, match=r"."):
        config_from(options)


def test_every_member_of_the_config_is_an_option():
    assert {"port", "pace_speed", "push_retry", "mix", "client_ca"} <= set(option_types())


def test_every_option_has_a_word_of_help_and_no_help_is_left_over():
    assert set(HELP) == set(option_types())
