"""A store behind a door that does what S3 does on a bad day: refuse, give no answer or half of one, be slow, deny."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Fate = str | None
"""What befalls a request: a status, `before` (it never arrives), `after` (its answer never comes), `half` (of its
answer comes), `slow`; None: nothing."""
BODIES = {
    "404": ("NoSuchKey", "The specified key does not exist."),
    "403": ("ExpiredToken", "The provided token has expired."),
    "429": ("SlowDown", "Please reduce your request rate."),
    "500": ("InternalError", "We encountered an internal error. Please try again."),
    "503": ("SlowDown", "Please reduce your request rate."),
}
SLOW_S = 0.3


class Door(ThreadingHTTPServer):
    """The door. `fate` says what befalls a request, by its method, its path, and how many came before it."""

    daemon_threads = True

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        behind = urlsplit(endpoint)
        self.behind = (behind.hostname or "", behind.port or 80)
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        self.fate: Callable[[str, str, int], Fate] = lambda method, path, n: None
        self.befell: Counter[str] = Counter()
        self.lock, self.requests = threading.Lock(), 0

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was let down may go away."""

    @contextmanager
    def bad(self, fate: Callable[[str, str, int], Fate]) -> Iterator[Counter[str]]:
        """While the block runs, this befalls requests; yields how often what befell them."""
        with self.lock:
            self.fate, self.befell, self.requests = fate, Counter(), 0
        try:
            yield self.befell
        finally:
            self.fate = lambda method, path, n: None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Door

    def do_GET(self) -> None:
        body = self._body()
        door = self.server
        with door.lock:
            fate = door.fate(self.command, self.path, door.requests)
            door.requests += 1
            if fate:
                door.befell[fate] += 1
        if fate == "slow":
            time.sleep(SLOW_S)
        elif fate in ("before", *BODIES):
            self._reset() if fate == "before" else self._refuse(str(fate))
            return
        behind = http.client.HTTPConnection(*door.behind, timeout=60)
        behind.request(self.command, self.path, body, dict(self.headers))
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        if fate == "after":
            self._reset()
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server", "content-length"):
                self.send_header(name, value)
        told = answer.getheader("content-length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", told or "0")
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if fate == "half" else content)
        if fate == "half":
            self._reset()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        del self.headers["Transfer-Encoding"]
        return found

    def _refuse(self, status: str) -> None:
        code, message = BODIES[status]
        said = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self.send_response(int(status))
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def _reset(self) -> None:
        """End the connection as a machine does that lost its power."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def now_and_then(share: float, *fates: str, seed: int = 1) -> Callable[[str, str, int], Fate]:
    """Each request meets one of these fates with this probability; the same ones at each run."""
    chance = random.Random(seed)
    return lambda method, path, n: chance.choice(fates) if chance.random() < share else None


@contextmanager
def before(endpoint: str) -> Iterator[Door]:
    """A door before a store."""
    door = Door(endpoint)
    serving = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    try:
        yield door
    finally:
        door.shutdown()
        door.server_close()
        serving.join()
