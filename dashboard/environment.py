"""The environment variables Muster reads: one table, read once, every wrong value named in one sentence each."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Variable:
    name: str
    default: str
    meaning: str
    read: Callable[[str], Any]


def text(value: str) -> str:
    return value


def flag(value: str) -> bool:
    if value.lower() not in ("1", "true", "yes", "on", "0", "false", "no", "off", ""):
        raise ValueError("must be 1 or 0")
    return value.lower() in ("1", "true", "yes", "on")


def port(value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise ValueError("must be a port from 1 to 65535")
    return int(value)


def whole(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise ValueError("must be a whole number of at least 1")
    return int(value)


def days(value: str) -> dt.timedelta | None:
    """An age; None is for ever."""
    if not value.isdecimal() or int(value) > 36500:
        raise ValueError("must be a whole number of days, or 0 to keep for ever")
    return dt.timedelta(days=int(value)) or None


def count(value: str) -> int:
    if not value.isdecimal():
        raise ValueError("must be a whole number of at least 0")
    return int(value)


def networks(value: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    try:
        return [ipaddress.ip_network(name) for name in names(value)]
    except ValueError as error:
        raise ValueError(f"must be networks such as 10.1.0.0/16, comma-separated ({error})") from error


def names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


def web_address(value: str) -> str:
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        good = (
            parts.scheme in ("http", "https") and parts.hostname and value.isprintable() and " " not in value
        )
    except ValueError:
        good = False
    if not good:
        raise ValueError("must be an address such as https://muster.example:8000")
    try:
        bad_port = parts.port == 0
    except ValueError:
        bad_port = True
    if bad_port:
        raise ValueError("must have a port from 1 to 65535")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("must not have a query, a fragment or a user name")
    return value.rstrip("/")


def folder(value: str) -> Path:
    path = Path(value).expanduser()
    path = path if path.is_absolute() else ROOT / path
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"must be a folder that can be made: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise ValueError("must be a folder that can be written to")
    return path


def one_of(*schemes: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        scheme, separator, _ = value.partition("://")
        if value and not (separator and scheme in schemes):
            raise ValueError("must start with " + " or ".join(f"{scheme}://" for scheme in schemes))
        return value

    return read


VARIABLES: tuple[Variable, ...] = (
    Variable("MUSTER_DATA_DIR", "var", "Where the embedded database, broker and keys live.", folder),
    Variable("DATABASE_URL", "", "PostgreSQL or SQLite; empty is SQLite in the data directory.",
             one_of("postgres", "postgresql", "sqlite")),
    Variable("CELERY_BROKER_URL", "", "Redis or RabbitMQ; empty is the embedded broker in the data directory.",
             one_of("redis", "rediss", "amqp", "amqps", "sqlite-broker", "memory")),
    Variable("MUSTER_PUBLIC_URL", "", "How the platform reaches Muster: base of every callbackUrl. "
             "Empty is the address `manage.py up` last listened on.", web_address),
    Variable("MUSTER_SECRET_KEY", "", "Signs sessions and encrypts stored secrets. "
             "Empty is the key in MUSTER_SECRET_KEY_FILE.", text),
    Variable("MUSTER_SECRET_KEY_FILE", "", "File with that key; empty is `secret-key` in the data directory, "
             "made at the first start.", text),
    Variable("MUSTER_ALLOWED_HOSTS", "", "Host names, comma-separated, that browsers and the platform may use. "
             "Empty is loopback and the public address.", names),
    Variable("MUSTER_DEBUG", "0", "1 shows error pages with details. Never where others can reach them.", flag),
    Variable("MUSTER_HOST", "127.0.0.1", "Address the web process listens on (`manage.py up --host`).", text),
    Variable("MUSTER_PORT", "8000", "Port of the web process (`manage.py up --port`).", port),
    Variable("MUSTER_SANDBOX_PORT", "8743", "Port of the sandbox (`manage.py up --sandbox-port`).", port),
    Variable("MUSTER_WORKERS", "2", "Jobs the worker runs at the same time.", whole),
    Variable("MUSTER_MOST_DEVICES", "1000000", "Device ids one list may hold.", whole),
    Variable("MUSTER_FAMILY_DEVICES", "30000", "Device ids in one task: a longer list becomes several, a family. "
             "The platform's own limit is not documented; its successor's is 30,000.", whole),
    Variable("MUSTER_PRUNE", "0", "1 has beat delete what is past its age, an hour's share every hour.", flag),
    Variable("MUSTER_KEEP_BODIES_DAYS", "30", "Age at which raw bodies of callbacks are pruned; 0 keeps them for ever.",
             days),
    Variable("MUSTER_KEEP_RESULTS_DAYS", "180", "Age at which a task's results are pruned, counted from its end; its "
             "counts stay. 0 keeps them for ever.", days),
    Variable("MUSTER_KEEP_AUDIT_DAYS", "730", "Age at which whole tasks are pruned, with their transitions and "
             "attempts; not shorter than the two above. 0 keeps them for ever.", days),
    Variable("MUSTER_CALLBACK_SOURCES", "", "Networks, comma-separated, from which pushes are taken, such as "
             "`10.1.0.0/16`. Empty is any.", networks),
    Variable("MUSTER_TRUSTED_PROXIES", "0", "How many proxies of your own a push passes, exactly: so many entries "
             "from the end of `X-Forwarded-For` are believed.", count),
    Variable("MUSTER_CRASH_AT", "", "Tests only, with MUSTER_DEBUG: the point (P0 to P7) at which a worker "
             "kills itself.", text),
)  # fmt: skip


def read(environ: Mapping[str, str]) -> dict[str, Any]:
    """Name -> value of every variable. Raises ImproperlyConfigured with a sentence for each wrong one."""
    values, problems = {}, []
    for variable in VARIABLES:
        given = environ.get(variable.name, "") or variable.default
        try:
            values[variable.name] = variable.read(given)
        except ValueError as error:
            problems.append(f"{variable.name} {error}; it is {given!r}.")
    if values.get("MUSTER_CRASH_AT") and not values.get("MUSTER_DEBUG"):
        problems.append("MUSTER_CRASH_AT kills workers on purpose: it needs MUSTER_DEBUG=1.")
    for name in ("MUSTER_KEEP_BODIES_DAYS", "MUSTER_KEEP_RESULTS_DAYS"):
        kept, audit = values.get(name), values.get("MUSTER_KEEP_AUDIT_DAYS")
        if audit and not (kept and kept <= audit) and not problems:
            problems.append(f"MUSTER_KEEP_AUDIT_DAYS must not be shorter than {name}: a task goes last.")
    if problems:
        raise ImproperlyConfigured(" ".join(problems))
    return values


def secret_key(given: str, file: str, data_dir: Path) -> str:
    """The key given, or the one in the file; the default file is made when it is missing."""
    if given:
        if len(given) < 32:
            raise ImproperlyConfigured("MUSTER_SECRET_KEY must have at least 32 characters.")
        return given
    path = Path(file) if file else data_dir / "secret-key"
    if not file and not path.exists():
        handle, name = tempfile.mkstemp(prefix="secret-key.", dir=data_dir)  # readable by its owner alone
        made = Path(name)
        with os.fdopen(handle, "w") as file_of_key:
            file_of_key.write(secrets.token_urlsafe(48))
        try:
            os.link(made, path)  # atomic: of several first starts at once, one key wins
        except FileExistsError:
            pass
        finally:
            made.unlink()
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"MUSTER_SECRET_KEY_FILE {str(path)!r} cannot be read: {error}."
        ) from error
    if len(key) < 32:
        raise ImproperlyConfigured(f"MUSTER_SECRET_KEY_FILE {str(path)!r} must hold at least 32 characters.")
    return key


def public_url(given: str, data_dir: Path, host: str, port: int) -> str:
    """The address given, or the one that ``manage.py up`` wrote down when it last started."""
    if given:
        return given
    try:
        return (data_dir / "public-url").read_text().strip()
    except OSError:
        return listening_url(host, port)


def listening_url(host: str, port: int) -> str:
    """How this machine reaches a server that listens on host and port."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        return f"http://127.0.0.1:{port}"
    return f"http://[{host}]:{port}" if address.version == 6 else f"http://{host}:{port}"
