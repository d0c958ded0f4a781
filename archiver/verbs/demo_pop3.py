"""The demonstration's POP3 server, run as a process of its own: ``python -m`` this module.

It is a process because Twisted's reactor cannot be started twice in one. The first line of its
standard input is a JSON list of messages in base64; it writes its port, and it ends when its
input does, so that it cannot outlive whoever started it.

Twisted brings the connection, the commands and the login. The answers about messages are our own:
Twisted's would list deleted messages, answer ``UIDL n`` without the number, put a CR before every
LF, and miss the dot at the start of a message or of the next chunk (RFC 1939 sections 3, 5 and 7).
"""

import hashlib
import json
import sys
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Any

from twisted.cred.error import UnauthorizedLogin
from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.mail.pop3 import POP3, IMailbox, POP3Error

USER = "demo"
PASSWORD = "demo"  # noqa: S105  (it opens a mailbox of invented mail on loopback)


class Maildrop:
    """The mailbox: what is left of it outlives a session, marks do not (RFC 1939 section 8)."""

    def __init__(self, messages: list[bytes]) -> None:
        """Holds messages with CRLF line ends; one that lacks its last line end is given it."""
        self.messages = [m if m.endswith(b"\r\n") else m + b"\r\n" for m in messages]

    def remove(self, messages: list[bytes]) -> None:
        """Forgets these messages."""
        self.messages = [message for message in self.messages if message not in messages]


class Session(POP3):
    """One connection; message numbers and deletion marks live as long as it does."""

    # What Twisted sets is declared through zope's interfaces, which type checkers cannot read.
    transport: Any
    # Without angle brackets no client tries APOP.
    magic = b"demonstration mailbox ready"

    def __init__(self, maildrop: Maildrop) -> None:
        """Serves ``maildrop``, as it is at login."""
        self._maildrop = maildrop
        self._numbered = dict(enumerate(maildrop.messages, 1))
        self._marked: dict[int, bytes] = {}

    def listCapabilities(self) -> list[bytes]:  # noqa: N802  (Twisted's name)
        """What CAPA answers (RFC 2449)."""
        return [b"TOP", b"USER", b"UIDL", b"PIPELINING"]

    def authenticateUserPASS(  # noqa: N802  (Twisted's name)
        self, user: bytes, password: bytes
    ) -> tuple[object, object, Callable[[], None]]:
        """Lets the one user in."""
        if (user, password) != (USER.encode(), PASSWORD.encode()):
            raise UnauthorizedLogin
        return IMailbox, self._maildrop, lambda: None

    def processCommand(self, command: bytes, *args: bytes) -> None:  # noqa: N802  (Twisted's name)
        """Runs one command; one that makes no sense gets -ERR and the session goes on."""
        inherited: Any = super()
        try:
            inherited.processCommand(command, *args)
        except (POP3Error, TypeError, ValueError, KeyError):
            self.transport.write(b"-ERR no such command or message\r\n")

    def do_STAT(self) -> None:  # noqa: N802  (Twisted's name)
        """Count and octets of what is not marked."""
        sizes = [len(message) for message in self._numbered.values()]
        self._agree(b"%d %d" % (len(sizes), sum(sizes)))

    def do_LIST(self, number: bytes | None = None) -> None:  # noqa: N802  (Twisted's name)
        """Sizes, of one message or of all."""
        self._list(number, lambda message: b"%d" % len(message))

    def do_UIDL(self, number: bytes | None = None) -> None:  # noqa: N802  (Twisted's name)
        """Unique identifiers, of one message or of all."""
        self._list(number, lambda message: hashlib.sha256(message).hexdigest()[:32].encode())

    def do_RETR(self, number: bytes) -> None:  # noqa: N802  (Twisted's name)
        """A whole message."""
        self._send(self._numbered[int(number)])

    def do_TOP(self, number: bytes, lines: bytes) -> None:  # noqa: N802  (Twisted's name)
        """A message's header, the empty line, and so many lines of its body."""
        message, wanted = self._numbered[int(number)], int(lines)
        header, _, body = message.partition(b"\r\n\r\n")
        self._send(b"".join(part + b"\r\n" for part in (header, b"", *_first(body, wanted))))

    def do_DELE(self, number: bytes) -> None:  # noqa: N802  (Twisted's name)
        """Marks a message, which only QUIT removes."""
        self._marked[int(number)] = self._numbered.pop(int(number))
        self._agree(b"marked")

    def do_RSET(self) -> None:  # noqa: N802  (Twisted's name)
        """Takes all marks off."""
        self._numbered = dict(sorted((self._numbered | self._marked).items()))
        self._marked = {}
        self._agree(b"no marks")

    def do_QUIT(self) -> None:  # noqa: N802  (Twisted's name)
        """Removes what is marked and ends the session."""
        self._maildrop.remove(list(self._marked.values()))
        self._agree(b"bye")
        self.transport.loseConnection()

    def _agree(self, words: bytes) -> None:
        self.transport.write(b"+OK " + words + b"\r\n")

    def _list(self, number: bytes | None, about: Callable[[bytes], bytes]) -> None:
        if number is not None:
            self._agree(b"%d %b" % (int(number), about(self._numbered[int(number)])))
            return
        self._agree(b"%d messages" % len(self._numbered))
        lines = (b"%d %b\r\n" % (n, about(message)) for n, message in self._numbered.items())
        self.transport.write(b"".join(lines) + b".\r\n")

    def _send(self, octets: bytes) -> None:
        self._agree(b"%d octets" % len(octets))
        stuffed = (b"\r\n" + octets).replace(b"\r\n.", b"\r\n..")[2:]
        self.transport.write(stuffed + b".\r\n")


def _first(body: bytes, count: int) -> list[bytes]:
    return body.split(b"\r\n")[:-1][:count]


def _serve(loop: Any, factory: Any) -> None:
    maildrop = Maildrop([b64decode(message) for message in json.loads(sys.stdin.readline())])
    factory.protocol = partial(Session, maildrop)
    port = loop.listenTCP(0, factory, interface="127.0.0.1")
    sys.stdout.write(f"{port.getHost().port}\n")
    sys.stdout.flush()
    Thread(target=_end_with_input, args=(loop,), daemon=True).start()
    loop.run(installSignalHandlers=False)


def _end_with_input(loop: Any) -> None:
    sys.stdin.read()
    loop.callFromThread(loop.stop)


if __name__ == "__main__":
    _serve(reactor, Factory())
