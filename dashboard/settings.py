"""One settings file; what differs between installations comes from the environment (``environment.VARIABLES``)."""

from __future__ import annotations

import datetime as dt
import os
from urllib.parse import urlsplit

import dj_database_url

from dashboard import environment
from dashboard.environment import ROOT

ENV = environment.read(os.environ)

DATA_DIR = ENV["MUSTER_DATA_DIR"]
SECRET_KEY = environment.secret_key(ENV["MUSTER_SECRET_KEY"], ENV["MUSTER_SECRET_KEY_FILE"], DATA_DIR)
DEBUG = ENV["MUSTER_DEBUG"]
PUBLIC_URL = environment.public_url(
    ENV["MUSTER_PUBLIC_URL"], DATA_DIR, ENV["MUSTER_HOST"], ENV["MUSTER_PORT"]
)
HTTPS = PUBLIC_URL.startswith("https:")
ALLOWED_HOSTS = [
    *(ENV["MUSTER_ALLOWED_HOSTS"] or ["localhost", "127.0.0.1", "[::1]"]),
    urlsplit(PUBLIC_URL).hostname or "localhost",
]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

CRASH_AT = ENV["MUSTER_CRASH_AT"]

# What one task may be

MOST_DEVICES = ENV["MUSTER_MOST_DEVICES"]
FAMILY_DEVICES = ENV["MUSTER_FAMILY_DEVICES"]

# How long what is kept; None is for ever

KEEP_BODIES = ENV["MUSTER_KEEP_BODIES_DAYS"]
KEEP_RESULTS = ENV["MUSTER_KEEP_RESULTS_DAYS"]
KEEP_AUDIT = ENV["MUSTER_KEEP_AUDIT_DAYS"]
KEEP_DRAFTS = dt.timedelta(days=30)
PRUNE = ENV["MUSTER_PRUNE"]

# Where pushes may come from

CALLBACK_SOURCES = ENV["MUSTER_CALLBACK_SOURCES"]
TRUSTED_PROXIES = ENV["MUSTER_TRUSTED_PROXIES"]

# Django

INSTALLED_APPS = [
    "dashboard.admin.MusterAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",
    "django_htmx",
    "tasks",
    "dashboard",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "dashboard.http.content_security_policy",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "dashboard.views.callbacks.pushes_first",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.http.explain_wrong_method",
]

ROOT_URLCONF = "dashboard.urls"
WSGI_APPLICATION = "dashboard.wsgi.application"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.http.navigation",
            ],
            "builtins": ["dashboard.templatetags.muster"],
        },
    }
]

SQLITE_OPTIONS = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",  # DEFERRED lets two writers meet half-way, and one of them fail
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
    "PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=67108864;",
}
DATABASES = {
    "default": dj_database_url.parse(
        ENV["DATABASE_URL"] or f"sqlite:///{DATA_DIR / 'muster.sqlite3'}",
        conn_max_age=None,
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
    # Callbacks have a file of their own: a long write elsewhere never holds up the receiver.
    DATABASES["inbox"] = DATABASES["default"] | {"NAME": DATA_DIR / "inbox.sqlite3"}
DATABASE_ROUTERS = ["tasks.models.callback.Router"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_HTTPONLY = True  # htmx sends the token from a header in the page
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # the proxy that ends TLS redirects; a redirect of ours would lose pushes
    "security.W021",  # which domains are preloaded is for their owner to say
]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024 * 1024  # a million device ids pasted
FILE_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = "dashboard.formats"

STATIC_URL = "static/"
STATICFILES_DIRS = [ROOT / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 60 if not DEBUG else 0

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"django.server": {"level": "WARNING"}},
}

# Celery: the message is a bell, the database is the record

CELERY_BROKER_URL = ENV["CELERY_BROKER_URL"] or f"sqlite-broker:///{DATA_DIR / 'broker.sqlite3'}"
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "visibility_timeout": 3600,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "health_check_interval": 25,
    }
    if CELERY_BROKER_URL.startswith("redis")
    else {"confirm_publish": True}
    if CELERY_BROKER_URL.startswith("amqp")
    else {}
)
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_DEFAULT_QUEUE = "muster"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_TIME_LIMIT = 120
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 60
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "tasks.jobs.sweep", "schedule": 5.0, "options": {"expires": 5}},
    "prune": {"task": "tasks.jobs.prune", "schedule": 3600.0, "options": {"expires": 3600}},
}
