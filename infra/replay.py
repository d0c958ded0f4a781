"""A POP3 server that replays a written conversation, and holds us to our part of it word by word.

For servers that nobody can have on a machine of their own. A transcript is a text file; each of its
lines is one of

    * a comment, such as where a fact is from
    S: what the server says
    C: what the client has to say, exactly
    C (leaves)      the client ends the connection without another word
    S (hangs up)    the server does
    --              the next connection begins

with CRLF behind each line on the wire. The server answers as it was written down and says nothing
else: a client that says another word is cut off, and ``problems`` says which word it was.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_SECONDS = 30.0
_SAYS, _HEARS = "S: ", "C: "
_HANGS_UP, _LEAVES, _NEXT = "S (hangs up)", "C (leaves)", "--"


class _OffScriptError(Exception):
    """The client does not keep to what is written."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a transcript: who has it, and what it is."""

    kind: str
    line: str = ""


def read_transcript(file: Path) -> list[list[Step]]:
    """The connections of a transcript.

    Raises:
        ValueError: a line of it is of no kind.
    """
    connections: list[list[Step]] = [[]]
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        if not line or line.startswith("*"):
            continue
        if line == _NEXT:
            connections.append([])
        elif line in (_HANGS_UP, _LEAVES):
            connections[-1].append(Step(line))
        elif line[:3] in (_SAYS, _HEARS):
            connections[-1].append(Step(line[:3], line[3:]))
        elif line in ("S:", "C:"):
            connections[-1].append(Step(f"{line} "))
        else:
            raise ValueError(f"{file.name}:{number}: {line!r} is no line of a transcript")
    return connections


class Replay:
    """The server as a context manager, listening on loopback.

    Args:
        connections: what is said in each connection in turn; see ``read_transcript``.
        single: send every octet in a write of its own.
        heard: called with each of the client's lines before it is answered.

    ``problems`` is what went otherwise than it was written, and must be empty in the end; leaving
    the context raises AssertionError where it is not, or where something was left unsaid.
    """

    def __init__(
        self,
        connections: Iterable[list[Step]],
        *,
        single: bool = False,
        heard: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Listens, but answers nobody yet."""
        self._connections = list(connections)
        self._single = single
        self._heard = heard
        self._played = 0
        self.problems: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        """Answers from now on."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stops, and says what went otherwise than it was written."""
        # Closing alone does not wake a thread that waits in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(_SECONDS)
        if kind is None:
            assert not self.problems, self.problems
            left = len(self._connections) - self._played
            assert not left, f"{left} connections were never made"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._play(connection)

    def _play(self, connection: socket.socket) -> None:
        connection.settimeout(_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = self._played
        try:
            if number >= len(self._connections):
                raise _OffScriptError("there is no such connection")
            self._played += 1
            with connection.makefile("rb") as lines:
                for step in self._connections[number]:
                    self._take(step, connection, lines.readline)
        except (_OffScriptError, OSError) as error:
            self.problems.append(f"connection {number + 1}: {error}")

    def _take(self, step: Step, connection: socket.socket, read: Callable[[], bytes]) -> None:
        if step.kind == _SAYS:
            self._say(connection, f"{step.line}\r\n".encode())
        elif step.kind == _HANGS_UP:
            connection.shutdown(socket.SHUT_WR)
        else:
            line = read()
            expected = b"" if step.kind == _LEAVES else f"{step.line}\r\n".encode()
            if line != expected:
                raise _OffScriptError(f"{line!r} instead of {expected!r}")
            self._heard(step.line)

    def _say(self, connection: socket.socket, octets: bytes) -> None:
        if not self._single:
            connection.sendall(octets)
            return
        for at in range(len(octets)):
            connection.sendall(octets[at : at + 1])
