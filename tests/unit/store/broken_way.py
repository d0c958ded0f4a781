"""A TCP proxy on loopback that cuts connections where a test wants it."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self


class BrokenWay:
    """Carries octets to and from a server, and cuts the first ``cuts`` answers it is asked to.

    Args:
        port: of the real server on loopback.
        chosen: given the first octets of a request, whether its answer is cut.
        after: octets of the answer that come through before the cut; may be changed on the way.
        cuts: how many answers are cut.
    """

    def __init__(
        self, port: int, chosen: Callable[[bytes], bool], *, after: int = 0, cuts: int = 1
    ) -> None:
        self._port = port
        self._chosen = chosen
        self.after = after
        self.cuts = cuts
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._shut(self._server)
        for each in self._sockets:
            self._shut(each)
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += [client, server]
                budget: list[int | None] = [None]
                self._start(self._forward, client, server, budget)
                self._start(self._answer, server, client, budget)

    def _forward(
        self, client: socket.socket, server: socket.socket, budget: list[int | None]
    ) -> None:
        with contextlib.suppress(OSError):
            while octets := client.recv(65536):
                if self.cuts and self._chosen(octets):
                    self.cuts -= 1
                    budget[0] = self.after
                server.sendall(octets)
        self._shut(server)

    def _answer(
        self, server: socket.socket, client: socket.socket, budget: list[int | None]
    ) -> None:
        with contextlib.suppress(OSError):
            while octets := server.recv(65536):
                if budget[0] is not None:
                    octets = octets[: budget[0]]
                    budget[0] -= len(octets)
                client.sendall(octets)
                if budget[0] == 0:
                    break
        self._shut(client)

    @staticmethod
    def _shut(each: socket.socket) -> None:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
