"""The product's settings for worker processes under test, which live faster (``shorter``)."""

from dashboard.settings import *  # noqa: F403
from dashboard.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.shorter.Shorter"]
