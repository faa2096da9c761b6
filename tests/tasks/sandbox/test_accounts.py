import pytest

from tasks.sandbox import Config
from tasks.sandbox.accounts import Account
from tasks.sandbox.errors import Refused


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_minute_slides():
    clock, config = Clock(), Config(calls_per_minute=2)
    account = Account(clock)
    account.count(config)
    clock.now += 40
    account.count(config)
    with pytest.raises(Refused):
        account.count(config)
    clock.now += 20
    account.count(config)
    with pytest.raises(Refused):
        account.count(config)


def test_a_refresh_token_outlives_the_access_token_by_far():
    clock, config = Clock(), Config()
    account = Account(clock)
    first = account.login(config, config.app_id, config.secret)
    clock.now += 3600
    with pytest.raises(Refused):
        account.check(config, config.app_id, f"Bearer {first['accessToken']}")
    again = account.refreshed(config, config.app_id, config.secret, str(first["refreshToken"]))
    account.check(config, config.app_id, f"Bearer {again['accessToken']}")
    clock.now += 86_400
    with pytest.raises(Refused):
        account.refreshed(config, config.app_id, config.secret, str(again["refreshToken"]))
