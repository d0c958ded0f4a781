"""The loopback listener: where the browser brings the code (RFC 8252 section 7.3).

It answers one request, the one with this sign-in's state; a browser's other wishes (an icon, a
connection made in advance) and strangers are turned away and end nothing.
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from queue import Empty, SimpleQueue
from socketserver import ThreadingTCPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

_LOOPBACK = "127.0.0.1"
_REQUEST_SECONDS = 10
_TAKEN = "archiver has what it needs. You may close this window.\n"
_REFUSED = "The sign-in was refused. archiver says more.\n"
_FOREIGN = "This is no answer to the sign-in that archiver waits for.\n"


class Listener:
    """Waits for the browser; ``port`` is where, on 127.0.0.1."""

    def __init__(self, server: "_Server") -> None:
        self._server = server
        self.port: int = server.server_address[1]

    def expect(self, state: str) -> None:
        """Says which state the request is to carry; before that none is taken."""
        self._server.state = state

    def wait(self, seconds: float) -> str | None:
        """Path and query of the request that was expected; None when it did not come in time."""
        try:
            return self._server.taken.get(timeout=seconds)
        except Empty:
            return None


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener on a free port, for as long as the block takes."""
    with _Server((_LOOPBACK, 0), _Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.1,), name="sign-in", daemon=True)
        thread.start()
        try:
            yield Listener(server)
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingTCPServer):
    # A thread for each connection: a browser's idle one must not stand before its request.
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.state = ""
        self.taken: SimpleQueue[str] = SimpleQueue()

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of a connection that broke: the browser will make another."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _REQUEST_SECONDS
    server_version = "archiver"
    sys_version = ""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        given, wanted = query.get("state", [""])[0], self.server.state
        if not wanted or not hmac.compare_digest(given.encode(), wanted.encode()):
            self._answer(HTTPStatus.BAD_REQUEST, _FOREIGN)
            return
        # The page first: once the code is here the process may end at any time.
        with suppress(OSError):
            self._answer(HTTPStatus.OK, _REFUSED if "error" in query else _TAKEN)
        self.server.taken.put(self.path)

    def _answer(self, status: HTTPStatus, text: str) -> None:
        octets = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(octets)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in http.server
        """Says nothing: the line would hold the code."""
