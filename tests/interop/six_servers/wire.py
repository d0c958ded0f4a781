"""POP3 read by hand: RFC 1939 and nothing of the program, live or from a recording."""

import socket
from collections.abc import Callable

from infra.fixtures import PopMailbox
from infra.relay import Recording, acknowledge_at_once

CRLF = b"\r\n"
_BLOCKS = {b"RETR", b"TOP", b"CAPA"}
_LISTINGS = {b"UIDL", b"LIST"}


class Answers:
    """Octets of a server, taken apart at CRLF.

    Args:
        more: gives further octets, none when there are no more.
    """

    def __init__(self, more: Callable[[], bytes]) -> None:
        self._more = more
        self._held = bytearray()

    def line(self) -> bytes:
        """The next line, without its end."""
        return self._until(CRLF)

    def block(self) -> bytes:
        """The lines up to the one that is a dot, each without the dot that stuffs it."""
        self._held[:0] = CRLF
        lines = (self._until(b"\r\n.\r\n") + CRLF)[2:].split(CRLF)
        return CRLF.join(_unstuffed(line, first=not at) for at, line in enumerate(lines))

    def _until(self, mark: bytes) -> bytes:
        seen = 0
        while (end := self._held.find(mark, seen)) < 0:
            seen = max(len(self._held) - len(mark), 0)
            octets = self._more()
            if not octets:
                raise EOFError(f"the server said no more than {bytes(self._held[-80:])!r}")
            self._held += octets
        found = bytes(self._held[:end])
        del self._held[: end + len(mark)]
        return found


def _unstuffed(line: bytes, *, first: bool) -> bytes:
    if line.startswith(b".."):
        return line[1:]
    # Dovecot and courier double no dot that begins a message: it is the message's own.
    assert first or not line.startswith(b"."), line
    return line


def read_mailbox(box: PopMailbox, *, utf8: bool = False) -> list[bytes]:
    """Every message of a mailbox, retrieved one by one in a session of its own."""
    with socket.create_connection(("127.0.0.1", box.server.port), 30) as connection:
        answers = Answers(lambda: connection.recv(1 << 18))

        def ask(command: str) -> bytes:
            connection.sendall(command.encode() + CRLF)
            acknowledge_at_once(connection)
            return agreed(answers.line())

        agreed(answers.line())
        if utf8:
            ask("UTF8")
        ask(f"USER {box.user}")
        ask(f"PASS {box.password}")
        count = int(ask("STAT").split()[1])
        # mailutils writes UIDLs into the mail when it is asked for them.
        ask("UIDL")
        answers.block()
        messages = []
        for number in range(1, count + 1):
            ask(f"RETR {number}")
            messages.append(answers.block())
        ask("QUIT")
        # Only then is the server's lock gone.
        while connection.recv(1 << 18):
            pass
    return messages


def agreed(line: bytes) -> bytes:
    """A status line that is no refusal."""
    assert line.startswith(b"+OK"), line
    return line


def exchanges(recording: Recording) -> list[tuple[bytes, bytes, bytes]]:
    """Each line that the client said, the line that answered it, and the block behind that.

    It ends where an answer is not complete.
    """
    heard = iter([bytes(recording.heard)])
    answers = Answers(lambda: next(heard, b""))
    found = []
    try:
        answers.line()
        for command in b"".join(recording.said).split(CRLF)[:-1]:
            status = answers.line()
            verb, _, argument = command.partition(b" ")
            many = verb in _BLOCKS or (verb in _LISTINGS and not argument)
            block = answers.block() if many and status.startswith(b"+OK") else b""
            found.append((command, status, block))
    except EOFError:
        pass
    return found


def retrieved(recording: Recording) -> list[bytes]:
    """The messages that RETR gave, in order, dots un-stuffed."""
    return [
        block
        for command, status, block in exchanges(recording)
        if command.startswith(b"RETR ") and status.startswith(b"+OK")
    ]
