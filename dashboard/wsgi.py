"""Pages for people. The callback receiver is in ``asgi.py``; it needs chunked bodies, which WSGI cannot promise."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
application = get_wsgi_application()
