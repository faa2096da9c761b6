"""A TCP proxy that spoils what passes: late, cut, reset, half-closed, dripped, swallowed."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

CREATE = b"POST /iocm/app/batchtask"


@dataclass
class Spoil:
    """What befalls a connection whose first bytes begin with ``match``; ``times`` connections, -1 is all."""

    match: bytes = b""
    times: int = 1
    latency: float = 0.0
    drip: float = 0.0  # seconds per byte of the answer
    up: int = -1  # bytes of the request that pass
    down: int = -1  # bytes of the answer that pass
    end: str = "close"  # close, reset, half (the answer's side stays open), hole (silence)
    then: Callable[[], None] | None = None  # called when the limit is reached, before the end


class Proxy:
    """Listens on a free port and passes everything on to ``url``; ``spoils`` are used up in order."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.spoils: list[Spoil] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _drawn(self, first: bytes) -> Spoil:
        with self._lock:
            for spoil in self.spoils:
                if spoil.times and first.startswith(spoil.match):
                    spoil.times -= 1
                    return spoil
        return Spoil()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            first = client.recv(65536)
            if not first:
                return
            spoil = self._drawn(first)
            time.sleep(spoil.latency)
            with socket.create_connection(self._target, 5) as server:
                over = threading.Event()
                args = (server, client, b"", spoil.down, spoil, over)
                back = threading.Thread(target=self._pass, args=args, daemon=True)
                back.start()
                self._pass(client, server, first, spoil.up, spoil, over)
                back.join(120)

    def _pass(
        self,
        source: socket.socket,
        sink: socket.socket,
        data: bytes,
        most: int,
        spoil: Spoil,
        over: threading.Event,
    ) -> None:
        down = most == spoil.down and not data
        passed = 0
        with contextlib.suppress(OSError):
            while data or (data := source.recv(65536)):
                piece = data if most < 0 else data[: most - passed]
                for part in (bytes([byte]) for byte in piece) if down and spoil.drip else (piece,):
                    sink.sendall(part)
                    time.sleep(spoil.drip if down else 0)
                passed += len(piece)
                if 0 <= most <= passed:
                    self._end(source, sink, spoil, over)
                    return
                data = b""
            sink.shutdown(socket.SHUT_WR)

    def _end(self, source: socket.socket, sink: socket.socket, spoil: Spoil, over: threading.Event) -> None:
        if over.is_set():
            return
        over.set()
        if spoil.then:
            spoil.then()
        if spoil.end == "hole":
            time.sleep(120)
        elif spoil.end == "half":
            sink.shutdown(socket.SHUT_WR)
        else:
            for end in (source, sink):
                if spoil.end == "reset":
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with contextlib.suppress(OSError):
                    if spoil.end != "reset":
                        end.shutdown(socket.SHUT_RDWR)
                end.close()


@contextlib.contextmanager
def running_proxy(url: str) -> Iterator[Proxy]:
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
