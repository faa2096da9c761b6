"""The product's settings, with a data directory of the test run's own and no worker listening."""

import os
import tempfile

os.environ["MUSTER_DATA_DIR"] = tempfile.mkdtemp(prefix="muster-tests-")
os.environ.setdefault("CELERY_BROKER_URL", "memory://")
os.environ.setdefault("MUSTER_PUBLIC_URL", "http://127.0.0.1:8000")

from dashboard.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
