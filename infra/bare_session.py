"""POP3 on a bare socket, for tests of what a server says: it understands no more than a line."""

import base64
import hashlib
import re
import socket
import ssl
from typing import Self

from infra.fixtures import PopMailbox

_SECONDS = 10


class BareSession:
    """A connection on which commands are said, and answers heard as the octets they are.

    Args:
        port: of 127.0.0.1.
        context: what TLS trusts; None says that the connection begins without TLS.

    ``greeting`` is the server's first line.
    """

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        """Connects and hears the greeting."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        if context:
            self._wrap(context)
        self._file = self._socket.makefile("rb")
        self.greeting = self._file.readline()

    def __enter__(self) -> Self:
        """Is connected already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drops the connection; nothing is said to the server."""
        self._file.close()
        self._socket.close()

    def say(self, command: str) -> None:
        """Sends a line without waiting for its answer."""
        self._socket.sendall(command.encode() + b"\r\n")

    def hear(self) -> bytes:
        """The next line; empty when the connection has ended instead."""
        try:
            return self._file.readline()
        except ConnectionError:
            return b""

    def ask(self, command: str) -> bytes:
        """The first line of the answer; empty when the connection has ended instead."""
        try:
            self.say(command)
        except ConnectionError:
            return b""
        return self.hear()

    def read(self, command: str) -> bytes:
        """What follows the first line of an answer, with its dots un-stuffed."""
        assert self.ask(command).startswith(b"+OK"), command
        lines = iter(self._file.readline, b".\r\n")
        return b"".join(line[1:] if line.startswith(b".") else line for line in lines)

    def sign_in(self, box: PopMailbox) -> bytes:
        """The answer to PASS."""
        self.ask(f"USER {box.user}")
        return self.ask(f"PASS {box.password}")

    def apop(self, box: PopMailbox, secret: str) -> bytes:
        """The answer to APOP."""
        stamp = re.search(rb"<[^>]+>", self.greeting)
        assert stamp
        digest = hashlib.md5(stamp[0] + secret.encode(), usedforsecurity=False).hexdigest()
        return self.ask(f"APOP {box.user} {digest}")

    def challenge(self, line: str) -> bytes:
        """The challenge that the server answers with."""
        answer = self.ask(line)
        assert answer.startswith(b"+ "), answer
        return base64.b64decode(answer[2:])

    def leave(self) -> None:
        """Quits, and waits until the server has: its lock is then gone."""
        assert self.ask("QUIT").startswith(b"+OK")
        assert self.hear() == b""

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Goes on over TLS."""
        assert self.ask("STLS").startswith(b"+OK")
        self._file.close()
        self._wrap(context)
        self._file = self._socket.makefile("rb")

    def _wrap(self, context: ssl.SSLContext) -> None:
        self._socket = context.wrap_socket(
            self._socket, server_hostname="127.0.0.1", suppress_ragged_eofs=False
        )


def response(octets: bytes) -> str:
    """What answers a challenge, as the line that is said."""
    return base64.b64encode(octets).decode()
