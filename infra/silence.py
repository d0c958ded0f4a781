"""Hosts that say nothing."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Self


@contextmanager
def deaf() -> Iterator[tuple[str, int]]:
    """An address that does not answer: its queue of connections is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address: tuple[str, int] = listener.getsockname()
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield address


class Mute:
    """A host that accepts connections, hears what is said, and never answers.

    A context manager; ``port`` is where it listens on 127.0.0.1, ``asked`` is set as soon as
    somebody has said something.
    """

    def __init__(self) -> None:
        """Listens, and hears nothing yet."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.asked = threading.Event()
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        """Accepts from now on."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Hangs up."""
        for each in (self._listener, *self._open):
            # Closing alone does not wake a thread that waits.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._hear, args=[connection], daemon=True).start()

    def _hear(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while connection.recv(65536):
                self.asked.set()
