"""The sandbox: a stand-in for the IoT platform, in its own process, on the same wire.

It imports nothing of Muster. `manage.py sandbox` and `python -m tasks.sandbox` start it; every option is
also an environment variable MUSTER_SANDBOX_<OPTION>.
"""

from .app import make_app, run, started
from .config import Config
from .options import add_arguments, config_from

__all__ = ["Config", "add_arguments", "config_from", "make_app", "run", "started"]
