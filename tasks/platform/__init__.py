"""The client of the platform's northbound REST API: no Django, no Celery, no settings, no models."""
