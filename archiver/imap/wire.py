"""The door to IMAPClient and to imaplib below it: their parsing of IMAP over a connection of ours.

imaplib may be given another connection by five methods that it documents for that (``open``,
``read``, ``readline``, ``send``, ``shutdown``). ``ask`` and ``answer`` are what it lacks: several
commands under way, and a literal that is read from a file. They use the same names of its inside
as IMAPClient does.
"""

import imaplib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from imapclient import IMAPClient

from archiver.errors import ProtocolError, SessionLost
from archiver.pop3.server import Server
from archiver.pop3.transport import Transport

# A line with the UIDs of four million messages, and the largest piece of a message asked for.
_LONGEST_LINE = 32 << 20
_LONGEST_LITERAL = 4 << 20
_PIECE = 64 << 10
_CODE = re.compile(r"\[([A-Z0-9-]+)(?: ([^\]]*))?\] ?", re.IGNORECASE)
# Dovecot says behind its words how long it took, which makes each of them another.
_TIMING = re.compile(r"\s*\(\d+\.\d+ \+ [\d.+ ]+ secs\)\.?\s*\Z")
_MOST_WORDS = 200
# What the libraries raise on answers that nobody foresaw.
_NOT_UNDERSTOOD = (
    *(ValueError, KeyError, IndexError, TypeError, AttributeError),
    *(AssertionError, RecursionError, OverflowError),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to a command (RFC 3501 section 7.1).

    Args:
        kind: ``OK``, ``NO``, ``BAD``, or ``+`` where it wants more of the command.
        text: its words, without the code.
        code: the response code in upper case, such as ``OVERQUOTA`` (RFC 5530), or nothing.
        arguments: what stands behind the code, such as the numbers of ``APPENDUID`` (RFC 4315).
    """

    kind: str
    text: str = ""
    code: str = ""
    arguments: str = ""

    @property
    def ok(self) -> bool:
        """Whether the command did what was asked."""
        return self.kind == "OK"

    @property
    def words(self) -> str:
        """What to show to people: the server's words, with the code where it gave one."""
        said = f"[{self.code}] {self.text}" if self.code else self.text
        return said.strip()[:_MOST_WORDS] or "no reason given"


class Wire(imaplib.IMAP4):
    """An IMAP connection over a transport; the greeting is heard when it is made."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._buffer = bytearray()
        self._unsent = bytearray()
        super().__init__()

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """Nothing: the transport is connected."""

    def read(self, size: int) -> bytes:
        """So many octets of a literal."""
        if size > _LONGEST_LITERAL:
            raise ProtocolError(f"the server sends {size} octets that nobody asked for")
        self._flush()
        while len(self._buffer) < size:
            self._buffer += self._transport.read(bulk=True)
        return self._taken(size)

    def readline(self) -> bytes:
        """A line with its end."""
        self._flush()
        start = 0
        while (end := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            if start > _LONGEST_LINE:
                raise ProtocolError(f"a line of the server has more than {_LONGEST_LINE} octets")
            self._buffer += self._transport.read(bulk=True)
        self._transport.renew()
        return self._taken(end + 1)

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def send(self, data: Any) -> None:
        """Sends octets, at the latest when an answer is waited for.

        They go in pieces, each of which has the time that a connection may take.
        """
        self._unsent += data
        while len(self._unsent) >= _PIECE:
            self._write(_PIECE)

    def _flush(self) -> None:
        if self._unsent:
            self._write(len(self._unsent))

    def _write(self, size: int) -> None:
        piece = bytes(self._unsent[:size])
        del self._unsent[:size]
        self._transport.write(piece)

    def shutdown(self) -> None:
        """Ends the connection at once."""
        self._unsent.clear()
        self._transport.close()

    def is_quiet(self) -> bool:
        """Whether nothing was heard that nobody asked for."""
        return not self._buffer

    def ask(self, command: bytes) -> bytes:
        """Sends a command without waiting for its answer, and gives the tag that it will have.

        Args:
            command: with the end of its line, if nothing more of it is to follow.
        """
        tag: bytes = self._new_tag()
        self.send(tag + b" " + command)
        return tag

    def answer(self, tag: bytes) -> Answer:
        """The answer to a command, or that the server wants more of it."""
        inside: Any = self
        while inside.tagged_commands[tag] is None:
            inside._check_bye()
            if inside._get_response() is None:
                words = inside.continuation_response.decode("utf-8", "replace")
                return Answer("+", words)
        kind, (data, *_) = inside.tagged_commands.pop(tag)
        return _answer(kind, data.decode("utf-8", "replace"))

    def forget(self) -> None:
        """Drops what the server said unasked, which would grow with what is done."""
        inside: Any = self
        inside._check_bye()
        inside.untagged_responses.clear()


class Client(IMAPClient):  # type: ignore[misc]
    """IMAPClient over a transport that is connected."""

    def __init__(self, server: Server, transport: Transport) -> None:
        self._transport = transport
        super().__init__(server.host, server.port, ssl=False)
        self.normalise_times = False
        # Else all that is said goes to the logs as well, secrets among it.
        self._imap.debug = 0

    @property
    def wire(self) -> Wire:
        """The connection below."""
        wire = self._imap
        assert isinstance(wire, Wire)
        return wire

    def _create_IMAP4(self) -> Wire:  # noqa: N802 - so IMAPClient calls it
        return Wire(self._transport)

    def _set_read_timeout(self) -> None:
        """Nothing: the transport judges how long the server takes."""

    def renew_capabilities(self) -> frozenset[str]:
        """What the server says now that it can do, in upper case."""
        self.wire.forget()
        self._cached_capabilities = self._do_capabilites()
        return frozenset(one.decode("ascii", "replace") for one in self._cached_capabilities)


@contextmanager
def explained(server: Server) -> Iterator[None]:
    """Says what imaplib raises in words of ours.

    Raises:
        SessionLost: the connection is of no use any more, or an answer makes no sense.
        Refusal: the server answered NO or BAD.
    """
    try:
        yield
    except imaplib.IMAP4.abort as error:
        raise SessionLost(f"lost {server.address}: {str(error)[:_MOST_WORDS]}") from error
    except imaplib.IMAP4.error as error:
        raise Refusal(_TIMING.sub("", str(error))) from error
    except _NOT_UNDERSTOOD as error:
        raise ProtocolError(
            f"lost {server.address}: its answer cannot be understood ({error})"
        ) from error


class Refusal(Exception):
    """The server answered NO or BAD to something that is not about a message."""


def _answer(kind: str, text: str) -> Answer:
    text = _TIMING.sub("", text)
    found = _CODE.match(text)
    if found is None:
        return Answer(kind, text)
    return Answer(kind, text[found.end() :], found[1].upper(), found[2] or "")
