"""Where a platform is and how to be sure that it is the one: address, credentials, certificates."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH


@dataclass(frozen=True)
class Connection:
    """One application on one platform; ``ca``, ``certificate`` and ``key`` are paths of PEM files."""

    url: str
    app_id: str
    secret: str = field(repr=False)
    ca: str = ""
    certificate: str = ""
    key: str = ""
    key_passphrase: str = field(default="", repr=False)


def check_url(url: str) -> str | None:
    """What is wrong with a platform's base address, as a sentence, or None.

    An address is ``https://host:port``; plain http is for this machine only, where the sandbox runs.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        return "An address has no blanks, control characters or letters beyond ASCII."
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "This is not an address such as https://platform.example:8743."
    return next((sentence for wrong, sentence in _RULES if wrong(parts)), None)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_RULES = (
    (lambda parts: parts.scheme not in ("http", "https"), "The address must begin with https://."),
    (lambda parts: not parts.hostname, "The address names no host."),
    (lambda parts: parts.port == 0, "The port must be from 1 to 65535."),
    (lambda parts: "@" in parts.netloc, "The address must not contain a user name or password."),
    (lambda parts: parts.query or parts.fragment, "The address ends before any ? or #."),
    (
        lambda parts: parts.scheme == "http" and not _is_loopback(parts.hostname),
        "Plain http would send the secret in the clear: use https:// (http is for this machine only).",
    ),
)


def ssl_context(connection: Connection) -> ssl.SSLContext:
    """A context that always verifies the platform, speaks TLS 1.2 or newer, and shows our certificate.

    With ``ca`` only that bundle is trusted; without it, the system's authorities and those that requests
    ships. Raises OSError (ssl.SSLError is one) for files that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if connection.ca:
        context.load_verify_locations(cafile=connection.ca)
    else:
        context.load_default_certs()
        context.load_verify_locations(cafile=DEFAULT_CA_BUNDLE_PATH)
    if connection.certificate:
        _load_pair(context, connection.certificate, connection.key, connection.key_passphrase)
    return context


def _load_pair(context: ssl.SSLContext, certificate: str, key: str, passphrase: str) -> None:
    # An explicit password, even an empty one, keeps OpenSSL from asking at the terminal.
    context.load_cert_chain(certificate, key or None, password=passphrase)


def check_connection_files(ca: str, certificate: str, key: str, passphrase: str) -> dict[str, str]:
    """What is wrong with the files of a connection, by the name of the Connection's field; {} if nothing."""
    problems = {
        name: problem
        for name, path, word in (
            ("ca", ca, "CERTIFICATE"),
            ("certificate", certificate, "CERTIFICATE"),
            ("key", key, "PRIVATE KEY"),
        )
        if path and (problem := _pem_problem(path, word))
    }
    if key and not certificate:
        problems["certificate"] = "A key needs its certificate."
    if ca and "ca" not in problems and not _loads_ca(ca):
        problems["ca"] = "This file holds no certificate that can be read."
    if certificate and not {"certificate", "key"} & problems.keys():
        problems |= _pair_problem(certificate, key, passphrase)
    return problems


def _pem_problem(path: str, word: str) -> str:
    try:
        text = Path(path).read_bytes()
    except FileNotFoundError:
        return "There is no such file."
    except OSError as error:
        return f"This file cannot be read: {error.strerror}."
    except ValueError:
        return "This is not a path."
    begin = rb"-----BEGIN "
    holds = any(begin in line and word.encode() in line for line in text.splitlines())
    return "" if holds else f"This file holds no {word.lower()} in PEM form."


def _loads_ca(path: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError:
        return False
    return True


def _pair_problem(certificate: str, key: str, passphrase: str) -> dict[str, str]:
    key_field = "key" if key else "certificate"
    try:
        _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, key, passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return {key_field: "This key does not belong to the certificate."}
        if _is_encrypted(key or certificate):
            return {"key_passphrase": "The key does not open with this passphrase."}
        return {key_field: "The certificate and its key cannot be read."}
    except (OSError, ValueError):
        if _is_encrypted(key or certificate):
            return {"key_passphrase": "The key does not open with this passphrase."}
        return {key_field: "The certificate and its key cannot be read."}
    return {}


def _is_encrypted(path: str) -> bool:
    return b"ENCRYPTED" in Path(path).read_bytes()
