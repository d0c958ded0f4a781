"""Has a program inside a root write into our log what it tells syslog."""

import os
import socket
from pathlib import Path
from threading import Thread
from typing import Self

_LONGEST = 65_536


class Syslog:
    """Listens where a root's programs look for syslog; a context manager.

    Args:
        root: the root, with a directory ``dev`` in it.
        output: the file that gets each message as a line.
    """

    def __init__(self, root: Path, output: Path) -> None:
        """Listens already; messages are written once it is entered."""
        self._output = output
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # A socket's address has room for 107 octets, which the path of a test may well exceed.
        folder = os.open(root / "dev", os.O_PATH)
        try:
            self._socket.bind(f"/proc/self/fd/{folder}/log")
        finally:
            os.close(folder)
        (root / "dev/log").chmod(0o666)
        self._thread = Thread(target=self._write, name="syslog", daemon=True)

    def __enter__(self) -> Self:
        """Writes from now on."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Writes no longer."""
        # Unlike close, this wakes the thread that waits for a message.
        self._socket.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._socket.close()

    def _write(self) -> None:
        with self._output.open("ab", buffering=0) as output:
            while message := self._socket.recv(_LONGEST):
                output.write(message.rstrip(b"\0\n") + b"\n")
