"""A server of raw sockets that plays a script, and an authority that signs certificates for it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tasks.platform.connection import Connection

Script = Callable[[socket.socket, threading.Event], None]


class Server:
    """Listens on a port of its own; every connection's request is kept, then the script is played."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._script = script
        self._context = context
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._main = threading.Thread(target=self._listen)
        self._main.start()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._main.join()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(5)
        with sock, suppress(OSError):
            if self._context:
                with self._context.wrap_socket(sock, server_side=True) as secured:
                    self._play(secured)
            else:
                self._play(sock)

    def _play(self, sock: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (piece := sock.recv(65536)):
                return
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while len(body) < int(lengths[0] if lengths else 0):
            if not (piece := sock.recv(65536)):
                break
            body += piece
        self.requests.append(head + b"\r\n\r\n" + body)
        self._script(sock, self._over)


def saying(status: int, body: object, *headers: str) -> Script:
    """A script that answers at once; ``body`` is bytes or becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}", *headers, "", ""]
    return sending("\r\n".join(lines).encode() + content)


def sending(data: bytes) -> Script:
    """A script that sends these bytes and closes."""

    def script(sock: socket.socket, over: threading.Event) -> None:
        sock.sendall(data)

    return script


def dripping(start: bytes, drop: bytes, every: float = 0.05) -> Script:
    """A script that goes on for ever, in drops."""

    def script(sock: socket.socket, over: threading.Event) -> None:
        sock.sendall(start)
        while not over.wait(every):
            sock.sendall(drop)

    return script


def silent(sock: socket.socket, over: threading.Event) -> None:
    """A script that never answers."""
    over.wait(20)


def reset_after(data: bytes) -> Script:
    """A script that sends these bytes and breaks the connection off."""

    def script(sock: socket.socket, over: threading.Event) -> None:
        sock.sendall(data)
        over.wait(0.1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    return script


class Authority:
    """Signs certificates and writes them, with their keys, as PEM files."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._builder(self._name, self._key, 1).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.ca = self._write("ca.pem", certificate.sign(self._key, hashes.SHA256()))

    def issue(
        self, name: str, *, host: str = "127.0.0.1", days: int = 1, passphrase: str = ""
    ) -> tuple[str, str]:
        """The paths of a certificate for this host and its key; a negative ``days`` makes it expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            alternative = x509.DNSName(host)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._builder(subject, key, days).add_extension(
            x509.SubjectAlternativeName([alternative]), critical=False
        )
        path = self._write(f"{name}.pem", certificate.sign(self._key, hashes.SHA256()))
        encryption = (
            serialization.BestAvailableEncryption(passphrase.encode())
            if passphrase
            else serialization.NoEncryption()
        )
        key_path = self.folder / f"{name}.key"
        key_path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        )
        return path, str(key_path)

    def server_context(self, name: str, *, host: str = "127.0.0.1", days: int = 1) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name, host=host, days=days))
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=10))
            .not_valid_after(now + datetime.timedelta(days=days))
        )

    def _write(self, name: str, certificate: x509.Certificate) -> str:
        path = self.folder / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)


def connection_to(url: str, **files: str) -> Connection:
    return Connection(url=url, app_id="app1", secret="s3cr3t-value", **files)
