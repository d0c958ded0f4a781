"""What inetd does for servers that speak on their standard input: a process for each connection."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from infra.process import Server


class Inetd:
    """A listener on a free port of 127.0.0.1 as a context manager.

    Args:
        command: the program and its arguments, started anew for each connection.
        output: the file that gets what it writes to its standard error.

    ``port`` is where it listens.
    """

    def __init__(self, command: Sequence[str], output: Path) -> None:
        """Listens already; connections are served once it is entered."""
        # The kernel forgets this once the program changes its user; should we be killed, such a
        # session ends with its client.
        self._command = ["setpriv", "--pdeathsig", "KILL", *command]
        self._output = output
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._children: list[Server] = []
        self._thread = threading.Thread(target=self._serve, name="inetd", daemon=True)

    def __enter__(self) -> Self:
        """Serves from now on."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops listening and ends every session; returns once its processes are gone."""
        # Unlike close, this wakes the thread that waits for a connection.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for child in self._children:
            # The program may have split into several processes.
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def _serve(self) -> None:
        with self._output.open("ab") as errors:
            while True:
                try:
                    connection, _ = self._listener.accept()
                except OSError:
                    return
                with connection:
                    self._start(connection, errors.fileno())

    def _start(self, connection: socket.socket, errors: int) -> None:
        # Asking whether a child runs also takes note of its end, so that no zombie stays.
        self._children = [child for child in self._children if child.poll() is None]
        child = subprocess.Popen(
            self._command,
            stdin=connection.fileno(),
            stdout=connection.fileno(),
            stderr=errors,
            start_new_session=True,
        )
        self._children.append(child)
