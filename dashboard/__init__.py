"""The site: who may ask, and what is shown. Speaks HTTP to people and machines; knows ``tasks``."""

from dashboard.celery import app as celery_app

__all__ = ["celery_app"]
